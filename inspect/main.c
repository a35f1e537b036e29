/*
 * main.c - silt-inspect: the command line.
 */
#include "inspect/inspect.h"
#include "silt/version.h"

#include <stdio.h>
#include <unistd.h>

static const struct command {
    const char *name, *arguments, *text;
    int (*on_one)(const char *); /* one of these; it takes as many arguments */
    int (*on_two)(const char *, const char *);
    int (*on_many)(int argc, char **argv);
} commands[] = {
    {"verify", "DIR", "check every file: checksums, formats, and that they agree\n", .on_one = inspect_verify},
    {"report", "DIR", "databases, policies, shards, files, bytes a value, tags with most values\n", .on_one = inspect_report},
    {"dump", "DIR NAME", "what stands in one file: a .tsm, .wal, .tomb or MANIFEST, named from DIR\n", .on_two = inspect_dump},
    {"repair", "DIR", "damaged files go to DIR/quarantine, what is sound in them stays; tells what is lost\n",
     .on_one = inspect_repair},
    {"export", "DIR DATABASE [--rp POLICY] [--start TIME] [--end TIME]",
     "its points as line protocol, as `silt export` writes them, to standard output: all, or\n"
     "those of --rp, from --start on, up to --end; times as RFC 3339 or nanoseconds\n",
     .on_many = inspect_export},
    {"restore", "BACKUP DIR",
     "a backup (of `silt backup`, or POST /backup unpacked) into DIR, which must be empty or not there;\n"
     "every file is compared with its checksum, and DIR is verified\n",
     .on_two = inspect_restore},
    {"import-influxdb", "INFLUXDIR --into DIR [--database NAME]... [--no-verify] [--checkpoint VALUES]",
     "everything in a stopped InfluxDB 1.x's directory (data, wal, meta) into DIR\n", .on_many = inspect_import_influxdb},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *out)
{
    fputs("silt-inspect: looks into a data directory of siltd while no server runs on it\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(out, "    silt-inspect %s %s\n", commands[i].name, commands[i].arguments);
        for (const char *line = commands[i].text; *line;) {
            int len = (int)(strchr(line, '\n') - line);
            fprintf(out, "        %.*s\n", len, line);
            line += len + 1;
        }
    }
    fputs("    silt-inspect --version | --help\n\n"
         "DIR is siltd's data.dir. An import that is cut short goes on when it is called again: how far it is, is put down after\n"
         "every 50 million values, or as many as --checkpoint says. At the end both sides are read again and compared, unless\n"
         "--no-verify says not to. --database, as often as needed, names what is imported: else all but _internal.\n"
         "Exit status: 0 all is well, 1 damage was found (and repaired), or something was left out, 2 it could not be done.\n", out);
}

static int run_command(const struct command *command, int argc, char **argv)
{
    if (command->on_many)
        return command->on_many(argc, argv);
    if (command->on_one && argc == 1)
        return command->on_one(argv[0]);
    if (command->on_two && argc == 2)
        return command->on_two(argv[0], argv[1]);
    return INSPECT_USAGE;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (argc == 1 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_usage(argc == 1 ? stderr : stdout);
        return argc == 1 ? INSPECT_FAILED : INSPECT_FINE;
    }
    if (strcmp(name, "--version") == 0) {
        puts("silt-inspect " SILT_VERSION);
        return INSPECT_FINE;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) != 0)
            continue;
        int status = run_command(&commands[i], argc - 2, argv + 2);
        if (status != INSPECT_USAGE)
            return status;
        fprintf(stderr, "usage: silt-inspect %s %s\n", name, commands[i].arguments);
        return INSPECT_FAILED;
    }
    fprintf(stderr, "silt-inspect: there is no command %s; silt-inspect --help lists them\n", name);
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
