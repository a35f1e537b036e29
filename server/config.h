/*
 * config.h - settings from siltd.toml, the environment and the command line into struct silt_server_options.
 *
 * Later sources win: defaults, file, INFLUXDB_SECTION_KEY, SILT_SECTION_KEY, flags. A name that is not known and a
 * value that does not fit are errors that name their place; only what InfluxDB's own configuration has beyond siltd's is
 * passed over, with a warning.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "silt/server.h"

enum config_action { CONFIG_RUN, CONFIG_PRINT, CONFIG_VERSION, CONFIG_HELP };

/* text is a whole siltd.toml; path is for messages. */
enum silt_status config_read_text(struct silt_server_options *options, const char *path, struct silt_str text,
                                  struct silt_error *err);
/* SILT_SECTION_KEY=value of environment (NULL-terminated, as environ). */
enum silt_status config_read_environment(struct silt_server_options *options, char *const *environment,
                                         struct silt_error *err);
/* All sources in order. *action tells what the flags asked for; to warnings go lines about what of InfluxDB's settings
 * is without effect. */
enum silt_status config_load(struct silt_server_options *options, int argc, char *const *argv,
                             char *const *environment, enum config_action *action, struct silt_buffer *warnings,
                             struct silt_error *err);

/* What fresh changes: live settings are taken over, so that other threads may read them meanwhile, and named in
 * `changed`; the others are named in `restart`. Names as section.key, with blanks between. */
void config_take_live(struct silt_server_options *options, const struct silt_server_options *fresh,
                      struct silt_buffer *changed, struct silt_buffer *restart);

/* A siltd.toml with every key and its value in force; reads back to the same options. */
void config_print(const struct silt_server_options *options, struct silt_buffer *out);
void config_help(struct silt_buffer *out);

/* host:port into its parts; host "" is every address. */
enum silt_status config_split_address(const char *address, char *host, size_t host_bytes, uint16_t *port,
                                      struct silt_error *err);

#endif
