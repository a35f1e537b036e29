/*
 * main.c - silt-inspect: the command line.
 */
#include "inspect/inspect.h"
#include "silt/version.h"

#include <stdio.h>
#include <unistd.h>

static const char usage[] =
    "silt-inspect: looks into a data directory of siltd while no server runs on it\n"
    "\n"
    "    silt-inspect verify DIR        check every file: checksums, formats, and that they agree\n"
    "    silt-inspect report DIR        databases, policies, shards, files, bytes a value, tags with most values\n"
    "    silt-inspect dump DIR NAME     what stands in one file: a .tsm, .wal, .tomb or MANIFEST, named from DIR\n"
    "    silt-inspect repair DIR        damaged files go to DIR/quarantine, what is sound in them stays; tells what is lost\n"
    "    silt-inspect export DIR DATABASE [--rp POLICY] [--start TIME] [--end TIME]\n"
    "                                   its points as line protocol, as `silt export` writes them, to standard output: all, or\n"
    "                                   those of --rp, from --start on, up to --end; times as RFC 3339 or nanoseconds\n"
    "    silt-inspect restore BACKUP DIR\n"
    "                                   a backup (of `silt backup`, or POST /backup unpacked) into DIR, which must not be there;\n"
    "                                   every file is compared with its checksum, and DIR is verified\n"
    "    silt-inspect import-influxdb INFLUXDIR --into DIR [--database NAME]...\n"
    "                 [--no-verify] [--checkpoint VALUES]\n"
    "                                   everything in a stopped InfluxDB 1.x's directory (data, wal, meta) into DIR\n"
    "    silt-inspect --version | --help\n"
    "\n"
    "DIR is siltd's data.dir. An import that is cut short goes on when it is called again: how far it is, is put down after\n"
    "every 50 million values, or as many as --checkpoint says. At the end both sides are read again and compared, unless\n"
    "--no-verify says not to. --database, as often as needed, names what is imported: else all but _internal.\n"
    "Exit status: 0 all is well, 1 damage was found (and repaired), or something was left out, 2 it could not be done.\n";

static int run(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (argc == 2 && (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0)) {
        fputs(usage, stdout);
        return INSPECT_FINE;
    }
    if (argc == 2 && strcmp(command, "--version") == 0) {
        puts("silt-inspect " SILT_VERSION);
        return INSPECT_FINE;
    }
    if (argc == 3 && strcmp(command, "verify") == 0)
        return inspect_verify(argv[2]);
    if (argc == 3 && strcmp(command, "report") == 0)
        return inspect_report(argv[2]);
    if (argc == 3 && strcmp(command, "repair") == 0)
        return inspect_repair(argv[2]);
    if (argc == 4 && strcmp(command, "dump") == 0)
        return inspect_dump(argv[2], argv[3]);
    if (argc == 4 && strcmp(command, "restore") == 0)
        return inspect_restore(argv[2], argv[3]);
    int status = INSPECT_USAGE;
    if (argc > 1 && strcmp(command, "export") == 0)
        status = inspect_export(argc - 2, argv + 2);
    else if (argc > 1 && strcmp(command, "import-influxdb") == 0)
        status = inspect_import_influxdb(argc - 2, argv + 2);
    if (status != INSPECT_USAGE)
        return status;
    fputs(usage, stderr);
    return INSPECT_FAILED;
}

int main(int argc, char **argv)
{
    silt_log_set_level(SILT_LOG_WARN);
    int status = run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("silt-inspect: output");
        return INSPECT_FAILED;
    }
    return status;
}
