/*
 * options.h - what was asked for at the start: flags, environment, the file of credentials.
 *
 * A flag wins over the environment, the environment over the file. Flags are those of the `influx` shell, with one dash
 * or two, `-flag value` or `-flag=value`.
 */
#ifndef SHELL_OPTIONS_H
#define SHELL_OPTIONS_H

#include "silt/text.h"

#define OPTIONS_OPERANDS_MAX 8

struct options {
    const char *host, *socket, *database, *username, *password, *execute, *format, *precision, *consistency;
    const char *credentials; /* file; "" for the usual one */
    const char *type, *pps, *path;
    const char *rp, *start, *end, *output, *jobs, *from_line, *csv; /* of import, export and migrate */
    const char *from_username, *from_password, *users, *since, *until, *rate, *slice, *patience, *state,
        *report; /* of migrate */
    const char *keep; /* of backup */
    unsigned port;
    bool ssl, unsafe_ssl, pretty, import, compressed, version, help, no_rc, gzip, lines_only;
    bool password_given, format_given;
    const char *operands[OPTIONS_OPERANDS_MAX]; /* a subcommand and what it works on */
    size_t operand_count;
    char file_username[256], file_password[256]; /* read from the file of credentials */
};

/* SILT_INVALID: err->text says what is wrong with the command line. */
enum silt_status options_parse(struct options *options, int argc, char **argv, struct silt_error *err);
/* The environment, then the file, where no flag was given. SILT_INVALID: the file is readable by others, or malformed.
 */
enum silt_status options_complete(struct options *options, struct silt_error *err);
extern const char options_usage[];

#endif
