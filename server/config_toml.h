/*
 * config_toml.h - the part of TOML that configuration files use, an item at a time.
 *
 *     # comment
 *     [http]                        TOML_SECTION  section "http"
 *     bind-address = ":8086"        TOML_PAIR     key "bind-address", TOML_TEXT ":8086"
 *     max-body-size = 25_000_000    TOML_PAIR     key "max-body-size", TOML_BARE "25_000_000"
 *     ciphers = ["a",               TOML_PAIR     key "ciphers", TOML_LIST "a\nb"
 *       "b"]
 *     [[udp]]                       TOML_SECTION  section "udp", repeated
 *
 * Basic and literal strings on one line, bare values (numbers, booleans), lists of both over several lines. What the
 * values mean, the caller decides. Messages name file and line.
 */
#ifndef SERVER_CONFIG_TOML_H
#define SERVER_CONFIG_TOML_H

#include "silt/text.h"

struct toml_reader {
    const char *path; /* for messages */
    const char *next, *file_end;
    const char *p, *end; /* what is left of the line */
    unsigned line;
    struct silt_buffer value;
};

enum toml_what { TOML_END, TOML_SECTION, TOML_PAIR };
enum toml_kind { TOML_BARE, TOML_TEXT, TOML_LIST };

struct toml_item {
    enum toml_what what;
    unsigned line; /* of its beginning */
    struct silt_str section; /* TOML_SECTION: the name, which lies in the text */
    bool repeated;
    struct silt_str key; /* TOML_PAIR */
    struct silt_str value; /* until the next call; a list's elements with newlines between */
    enum toml_kind kind;
};

/* path and text are borrowed. */
void toml_init(struct toml_reader *reader, const char *path, struct silt_str text);
void toml_deinit(struct toml_reader *reader);
enum silt_status toml_next(struct toml_reader *reader, struct toml_item *item, struct silt_error *err);

#endif
