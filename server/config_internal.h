/*
 * config_internal.h - what readers and printer of the configuration share: the table of settings and its values.
 *
 *     config.c              the table; all sources in order
 *     config_value.c        a value's text into the options and back
 *     config_toml.c         a file's text, an item at a time
 *     config_file.c         siltd.toml
 *     config_environment.c  SILT_*
 *     config_influx.c       influxdb.conf and INFLUXDB_*
 *     config_print.c        --print-config and --help
 *     config_change.c       two configurations' difference, for SIGHUP
 */
#ifndef SERVER_CONFIG_INTERNAL_H
#define SERVER_CONFIG_INTERNAL_H

#include "server/config.h"

enum kind {
    KIND_TEXT,
    KIND_ADDRESS,
    KIND_COUNT,
    KIND_SIZE,
    KIND_DURATION,
    KIND_BOOLEAN,
    KIND_SYNC, /* from here on one of some words, an enum in the options: config_words */
    KIND_LEVEL,
    KIND_SECURITY,
    KIND_MULTIVALUE,
};
#define WORDS_MAX 5
extern const char *const config_words[][WORDS_MAX]; /* by kind; in the order of the enum, ended by NULL */

struct setting {
    const char *section, *key;
    enum kind kind;
    size_t offset, bytes; /* in struct silt_server_options; of a list's first element */
    bool live;            /* SIGHUP changes it in a running server */
    uint64_t min, max;    /* of numbers, in bytes or milliseconds; of a text's length: min */
    const char *initial, *help;
};

/* A section that may stand several times, as [[name]]: an array in the options and its count, a uint64_t. */
struct setting_list {
    const char *section; /* NULL: the table's end */
    size_t count_offset, stride, max;
};

extern const struct setting config_settings[];
extern const size_t config_setting_count;

const struct setting *config_find(struct silt_str section, struct silt_str key); /* NULL: there is none */
bool config_known_section(struct silt_str section);
const struct setting_list *config_find_list(struct silt_str section); /* NULL: it stands once */

static inline uint64_t config_list_count(const struct silt_server_options *options, const struct setting_list *list)
{
    return *(const uint64_t *)(const void *)((const char *)options + list->count_offset);
}
static inline void config_list_set_count(struct silt_server_options *options, const struct setting_list *list,
                                         uint64_t count)
{
    *(uint64_t *)(void *)((char *)options + list->count_offset) = count;
}

/* base: the options; for element i of a list, i * stride further. err says only what is wrong, the caller where. */
enum silt_status config_set(void *base, const struct setting *setting, struct silt_str text, struct silt_error *err);
/* As siltd.toml has it, in quotes where it needs them. */
void config_print_value(const void *base, const struct setting *setting, struct silt_buffer *out);
/* 1h30m, 1.5s, 250ms; a part of a millisecond counts as one. */
bool config_parse_duration_ms(struct silt_str text, uint64_t *out);
bool config_parse_size(struct silt_str text, uint64_t *out);

/* A whole siltd.toml or influxdb.conf. *found is false where there is no such file and `must` is not set. */
enum silt_status config_read_file(struct silt_server_options *options, const char *path, bool must, bool *found,
                                  struct silt_buffer *warnings, struct silt_error *err);

/* InfluxDB's names. Warnings: a line each, of what is without effect. */
bool config_is_influx(const char *path, struct silt_str text);
enum silt_status config_read_influx(struct silt_server_options *options, const char *path, struct silt_str text,
                                    struct silt_buffer *warnings, struct silt_error *err);
enum silt_status config_read_influx_environment(struct silt_server_options *options, char *const *environment,
                                                struct silt_buffer *warnings, struct silt_error *err);
/* SILT_INVALID: data.dir is InfluxDB's own. */
enum silt_status config_check_influx_data(const struct silt_server_options *options, struct silt_error *err);
/* SILT_HTTP_MAX_BODY_SIZE for http.max-body-size, SILT_UDP_0_DATABASE for an element of a list (index < 0: none). */
void config_environment_name(const char *prefix, const struct setting *setting, int index, char *out, size_t bytes);

#endif
