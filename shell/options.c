/*
 * options.c - a table of flags, read as Go's flag package reads them; then environment and credentials.
 *
 * The file of credentials, ~/.silt_credentials, mode 0600:
 *
 *     # comment
 *     username = ann
 *     password = secret
 */
#include "shell/options.h"

#include "shell/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

const char options_usage[] =
    "Usage: silt [flags]                       a session with the server\n"
    "       silt [flags] -execute 'statement'  one or more statements, then quit\n"
    "       silt [flags] < script              statements from standard input\n"
    "       silt [flags] import FILE           write a file of points; - is standard input\n"
    "       silt [flags] export DATABASE       all points of a database as line protocol\n"
    "       silt [flags] migrate URL           all of a live InfluxDB 1.x, into the server of -host\n"
    "       silt [flags] backup FOLDER         the whole server, into FOLDER/<time>; what did not change is not sent "
    "again\n"
    "\n"
    "  -host 'host name'        Host to connect to (localhost; SILT_HOST).\n"
    "  -port 'port #'           Port to connect to (8086; SILT_PORT).\n"
    "  -socket 'path'           Unix domain socket to connect to.\n"
    "  -ssl                     Use https for requests.\n"
    "  -unsafeSsl               Do not verify the server's certificate.\n"
    "  -username 'name'         User name (SILT_USERNAME, INFLUX_USERNAME).\n"
    "  -password 'password'     Password (SILT_PASSWORD, INFLUX_PASSWORD); '' asks for it.\n"
    "  -credentials 'file'      File with username = and password =, mode 0600 (~/.silt_credentials).\n"
    "  -database 'name'         Database to use (SILT_DATABASE).\n"
    "  -execute 'command'       Execute command and quit.\n"
    "  -format 'format'         column, csv, json, table, vertical or line.\n"
    "  -precision 'precision'   rfc3339, h, m, s, ms, u or ns: how times are shown, and read in what is written.\n"
    "  -consistency 'level'     Write consistency: any, one, quorum or all.\n"
    "  -pretty                  Pretty print the json format.\n"
    "  -type 'influxql'         Language of statements.\n"
    "  -no-rc                   Do not read ~/.siltrc.\n"
    "  -version                 Show the version and quit.\n"
    "\n"
    "Of import (a file of `influx_inspect export` or `silt export`, or line protocol with -database; gzip is seen by "
    "itself):\n"
    "  -rp 'policy'             Retention policy, where the file names none.\n"
    "  -jobs 'n'                Connections that send (4).\n"
    "  -from-line 'n'           Go on from this line.\n"
    "  -pps 'n'                 Points per second at most.\n"
    "  -csv 'mapping'           The file is CSV: measurement=NAME|@COLUMN time=COLUMN[:UNIT] tags=COLUMN,...\n"
    "                           fields=COLUMN[:TYPE],... separator=C\n"
    "  -import -path 'file'     The same as `import FILE`, as the influx shell has it; -compressed is accepted.\n"
    "\n"
    "Of export:\n"
    "  -rp 'policy'             This retention policy only.\n"
    "  -start, -end 'time'      Times from and to which, as 2020-01-01T00:00:00Z or nanoseconds, both included.\n"
    "  -output 'file'           Write there; packed if it ends in .gz (standard output).\n"
    "  -gzip                    Pack.\n"
    "  -lponly                  Points only, without the statements that make database and policies.\n"
    "\n"
    "Of migrate (URL is http://host:8086; databases, policies, users, continuous queries and points; a run that ended\n"
    "early goes on when it is started again; status 0: all is equal, 1: ended early, 3: the report tells "
    "differences):\n"
    "  -from-username 'name'    User name at the old server (SILT_FROM_USERNAME).\n"
    "  -from-password 'text'    Password there (SILT_FROM_PASSWORD; else it is asked for).\n"
    "  -users 'how'             New passwords: ask, random (shown once), none (leaves users out), or a file of\n"
    "                           NAME:PASSWORD, mode 0600.\n"
    "  -database, -rp 'name'    This database or policy only.\n"
    "  -since, -until 'time'    Points from the one on and before the other only, as 2020-01-01T00:00:00Z or "
    "nanoseconds.\n"
    "  -rate 'n'                At most so many rows a second, or bytes, as 5MB (kB, MB, GB).\n"
    "  -jobs 'n'                Queries under way at once (4).\n"
    "  -slice 'n'               Values of one query, about (1000000).\n"
    "  -patience 'seconds'      How long a server that does not answer is asked again (60).\n"
    "  -state 'file'            What is done (silt-migrate-HOST-PORT.state).\n"
    "  -report 'file'           A line of CSV per field and day (silt-migrate-HOST-PORT.csv).\n"
    "\n"
    "Of backup:\n"
    "  -keep 'n'                Remove older backups but for the newest n, this one among them.\n"
    "\n"
    "Examples:\n"
    "\n"
    "    silt -database metrics -execute 'select * from cpu' -format json -pretty\n"
    "    silt -host db.example.org -database metrics\n";

struct flag {
    const char *name;
    size_t offset;
    enum { TEXT, SWITCH, NUMBER } kind;
};

#define FLAG(name, member, kind)                                                                                       \
    {                                                                                                                  \
        name, offsetof(struct options, member), kind                                                                   \
    }

static const struct flag flags[] = {
    FLAG("host", host, TEXT),
    FLAG("port", port, NUMBER),
    FLAG("socket", socket, TEXT),
    FLAG("ssl", ssl, SWITCH),
    FLAG("unsafeSsl", unsafe_ssl, SWITCH),
    FLAG("username", username, TEXT),
    FLAG("password", password, TEXT),
    FLAG("credentials", credentials, TEXT),
    FLAG("database", database, TEXT),
    FLAG("execute", execute, TEXT),
    FLAG("format", format, TEXT),
    FLAG("precision", precision, TEXT),
    FLAG("consistency", consistency, TEXT),
    FLAG("pretty", pretty, SWITCH),
    FLAG("type", type, TEXT),
    FLAG("no-rc", no_rc, SWITCH),
    FLAG("import", import, SWITCH),
    FLAG("path", path, TEXT),
    FLAG("compressed", compressed, SWITCH),
    FLAG("pps", pps, TEXT),
    FLAG("rp", rp, TEXT),
    FLAG("jobs", jobs, TEXT),
    FLAG("from-line", from_line, TEXT),
    FLAG("csv", csv, TEXT),
    FLAG("start", start, TEXT),
    FLAG("end", end, TEXT),
    FLAG("output", output, TEXT),
    FLAG("from-username", from_username, TEXT),
    FLAG("from-password", from_password, TEXT),
    FLAG("users", users, TEXT),
    FLAG("since", since, TEXT),
    FLAG("until", until, TEXT),
    FLAG("rate", rate, TEXT),
    FLAG("slice", slice, TEXT),
    FLAG("patience", patience, TEXT),
    FLAG("state", state, TEXT),
    FLAG("report", report, TEXT),
    FLAG("keep", keep, TEXT),
    FLAG("gzip", gzip, SWITCH),
    FLAG("lponly", lines_only, SWITCH),
    FLAG("version", version, SWITCH),
    FLAG("help", help, SWITCH),
    FLAG("h", help, SWITCH),
};

static const struct flag *find_flag(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strlen(flags[i].name) == len && memcmp(flags[i].name, name, len) == 0)
            return &flags[i];
    return NULL;
}

static bool parse_port(const char *text, unsigned *out)
{
    char *end;
    errno = 0;
    unsigned long port = strtoul(text, &end, 10);
    if (errno || *end || end == text || port > 65535 || text[0] == '-')
        return false;
    *out = (unsigned)port;
    return true;
}

static enum silt_status set_switch(const struct flag *flag, bool *to, const char *value, struct silt_error *err)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"}, *const no[] = {"0",     "f",     "F",
                                                                                             "false", "FALSE", "False"};
    for (size_t i = 0; value && i < sizeof yes / sizeof *yes; i++) {
        if (strcmp(value, yes[i]) == 0)
            return *to = true, SILT_OK;
        if (strcmp(value, no[i]) == 0)
            return *to = false, SILT_OK;
    }
    if (value)
        return silt_fail(err, SILT_INVALID, "invalid boolean value \"%s\" for -%s", value, flag->name);
    *to = true;
    return SILT_OK;
}

enum silt_status options_parse(struct options *o, int argc, char **argv, struct silt_error *err)
{
    *o = (struct options){.host = "",
                          .socket = "",
                          .database = "",
                          .username = "",
                          .password = "",
                          .execute = "",
                          .format = "column",
                          .precision = "ns",
                          .consistency = "all",
                          .credentials = "",
                          .type = "influxql",
                          .pps = "",
                          .path = "",
                          .rp = "",
                          .start = "",
                          .end = "",
                          .output = "",
                          .from_line = "",
                          .csv = "",
                          .jobs = "",
                          .from_username = "",
                          .from_password = "",
                          .users = "",
                          .since = "",
                          .until = "",
                          .rate = "",
                          .slice = "",
                          .patience = "",
                          .state = "",
                          .report = "",
                          .keep = ""};
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (arg[0] != '-' || !arg[1]) {
            if (o->operand_count == OPTIONS_OPERANDS_MAX)
                return silt_fail(err, SILT_INVALID, "too many arguments");
            o->operands[o->operand_count++] = arg;
            continue;
        }
        const char *name = arg + (arg[1] == '-' ? 2 : 1), *equals = strchr(name, '=');
        size_t len = equals ? (size_t)(equals - name) : strlen(name);
        const struct flag *flag = find_flag(name, len);
        if (!flag)
            return silt_fail(err, SILT_INVALID, "flag provided but not defined: -%.*s", (int)len, name);
        void *member = (char *)o + flag->offset;
        const char *value = equals ? equals + 1 : NULL;
        if (flag->kind == SWITCH) {
            if (set_switch(flag, member, value, err) != SILT_OK)
                return SILT_INVALID;
            continue;
        }
        if (!value && i + 1 == argc)
            return silt_fail(err, SILT_INVALID, "flag needs an argument: -%s", flag->name);
        if (!value)
            value = argv[++i];
        if (flag->kind == TEXT)
            memcpy(member, &value, sizeof value);
        else if (!parse_port(value, member))
            return silt_fail(err, SILT_INVALID, "invalid value \"%s\" for flag -%s: parse error", value, flag->name);
        if (strcmp(flag->name, "password") == 0)
            o->password_given = true;
        if (strcmp(flag->name, "format") == 0)
            o->format_given = true;
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- the file of credentials */

static enum silt_status read_pair(struct options *o, const char *path, struct silt_str line, struct silt_error *err)
{
    line = words_trim(line);
    if (!line.len || line.p[0] == '#')
        return SILT_OK;
    const char *equals = memchr(line.p, '=', line.len);
    if (!equals)
        return silt_fail(err, SILT_INVALID, "%s: a line is not of the form name = value", path);
    struct silt_str name = words_trim((struct silt_str){line.p, (size_t)(equals - line.p)});
    struct silt_str value = words_trim((struct silt_str){equals + 1, (size_t)(line.p + line.len - equals - 1)});
    char *to = silt_str_equal(name, SILT_STR("username"))   ? o->file_username
               : silt_str_equal(name, SILT_STR("password")) ? o->file_password
                                                            : NULL;
    if (!to)
        return silt_fail(err, SILT_INVALID, "%s: unknown name \"%.*s\"", path, SILT_FMT(name));
    if (value.len >= sizeof o->file_username)
        return silt_fail(err, SILT_INVALID, "%s: %.*s is too long", path, SILT_FMT(name));
    memcpy(to, value.p, value.len);
    to[value.len] = 0;
    return SILT_OK;
}

static enum silt_status read_credentials(struct options *o, const char *path, bool required, struct silt_error *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT && !required ? SILT_OK : silt_fail_errno(err, errno, "%s", path);
    struct stat facts;
    enum silt_status status = SILT_OK;
    if (fstat(fileno(file), &facts) != 0)
        status = silt_fail_errno(err, errno, "%s", path);
    else if (facts.st_mode & 077)
        status = silt_fail(err, SILT_INVALID, "%s can be read by others; run: chmod 600 %s", path, path);
    char line[1024];
    while (status == SILT_OK && fgets(line, sizeof line, file))
        status = read_pair(o, path, silt_str_from(line), err);
    explicit_bzero(line, sizeof line);
    fclose(file);
    return status;
}

/* ---------------------------------------------------------------- environment */

static void from_environment(const char **to, const char *name)
{
    const char *value = getenv(name);
    if (!**to && value)
        *to = value;
}

enum silt_status options_complete(struct options *o, struct silt_error *err)
{
    from_environment(&o->host, "SILT_HOST");
    from_environment(&o->socket, "SILT_SOCKET");
    from_environment(&o->database, "SILT_DATABASE");
    from_environment(&o->username, "SILT_USERNAME");
    from_environment(&o->username, "INFLUX_USERNAME");
    if (!o->password_given) {
        from_environment(&o->password, "SILT_PASSWORD");
        from_environment(&o->password, "INFLUX_PASSWORD");
    }
    from_environment(&o->credentials, "SILT_CREDENTIALS");
    if (!*o->host)
        o->host = "localhost";
    const char *port = getenv("SILT_PORT");
    if (!o->port && port && !parse_port(port, &o->port))
        return silt_fail(err, SILT_INVALID, "SILT_PORT=%s is no port", port);
    if (!o->port)
        o->port = 8086;
    if (strcmp(o->type, "influxql") != 0)
        return silt_fail(err, SILT_INVALID, "-type %s: this shell speaks influxql only", o->type);

    /* The file is for those who name nobody. */
    bool required = *o->credentials;
    if (*o->username && !required)
        return SILT_OK;
    struct silt_buffer path = {0};
    if (required)
        silt_buffer_printf(&path, "%s", o->credentials);
    else if (getenv("HOME"))
        silt_buffer_printf(&path, "%s/.silt_credentials", getenv("HOME"));
    silt_buffer_char(&path, 0);
    enum silt_status status = path.len > 1 ? read_credentials(o, path.p, required, err) : SILT_OK;
    silt_buffer_free(&path);
    if (status == SILT_OK && !*o->username) {
        o->username = o->file_username;
        if (!o->password_given && !*o->password)
            o->password = o->file_password;
    }
    return status;
}
