/*
 * config_print.c - the settings for people: --print-config, a siltd.toml that explains itself, and --help.
 *
 *     # of a gzip body once unpacked
 *     # (bytes, or text with k, m, g, 1k to 4g; default 268435456)
 *     max-inflated-size = 268435456
 */
#include "server/config_internal.h"
#include "silt/version.h"

#include <stdlib.h>

static void print_bound(struct silt_buffer *out, const struct setting *setting, uint64_t bound)
{
    static const char *const size_units[] = {"", "k", "m", "g"}, *const time_units[] = {"ms", "s", "m", "h"};
    static const unsigned time_steps[] = {1000, 60, 60};
    unsigned unit = 0;

    if (setting->kind == KIND_SIZE)
        for (; unit < 3 && bound && bound % 1024 == 0; unit++)
            bound /= 1024;
    if (setting->kind == KIND_DURATION)
        for (; unit < 3 && bound && bound % time_steps[unit] == 0; unit++)
            bound /= time_steps[unit];
    silt_buffer_printf(out, "%llu%s", (unsigned long long)bound,
                       setting->kind == KIND_SIZE       ? size_units[unit]
                       : setting->kind == KIND_DURATION ? time_units[unit]
                                                        : "");
}

static void print_words(struct silt_buffer *out, const char *const *words)
{
    for (unsigned i = 0; words[i]; i++)
        silt_buffer_printf(out, "%s\"%s\"", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
}

/* What may stand there. */
static void print_form(struct silt_buffer *out, const struct setting *setting)
{
    static const char *const forms[] = {
        [KIND_TEXT] = "text",
        [KIND_ADDRESS] = "host:port",
        [KIND_COUNT] = "a number",
        [KIND_SIZE] = "bytes, or text with k, m, g",
        [KIND_DURATION] = "text with ms, s, m, h",
        [KIND_BOOLEAN] = "true or false",
    };

    if (setting->kind >= KIND_SYNC) {
        print_words(out, config_words[setting->kind]);
        return;
    }
    silt_buffer_printf(out, "%s", forms[setting->kind]);
    if (setting->kind != KIND_COUNT && setting->kind != KIND_SIZE && setting->kind != KIND_DURATION)
        return;
    if (setting->max == INT64_MAX) {
        silt_buffer_printf(out, " from %llu on", (unsigned long long)setting->min);
        return;
    }
    silt_buffer_printf(out, ", ");
    print_bound(out, setting, setting->min);
    silt_buffer_printf(out, " to ");
    print_bound(out, setting, setting->max);
}

/* A value that is never shown. */
static bool is_secret(const struct setting *setting)
{
    return strcmp(setting->key, "shared-secret") == 0;
}

static void print_setting(const struct silt_server_options *defaults, const void *base, const struct setting *setting,
                          struct silt_buffer *out)
{
    silt_buffer_printf(out, "\n# %s\n# (", setting->help);
    print_form(out, setting);
    silt_buffer_printf(out, "; default ");
    config_print_value(defaults, setting, out);
    silt_buffer_printf(out, "%s)\n", setting->live ? "; taken on SIGHUP" : "");
    if (is_secret(setting) && *((const char *)base + setting->offset)) {
        silt_buffer_printf(out, "# %s is set, and not shown\n", setting->key);
        return;
    }
    silt_buffer_printf(out, "%s = ", setting->key);
    config_print_value(base, setting, out);
    silt_buffer_char(out, '\n');
}

static bool same_section(size_t i, size_t k)
{
    return strcmp(config_settings[i].section, config_settings[k].section) == 0;
}

static void print_section(const struct silt_server_options *defaults, const void *base, size_t first,
                          const char *heading, struct silt_buffer *out)
{
    silt_buffer_printf(out, heading, config_settings[first].section);
    for (size_t i = first; i < config_setting_count && same_section(first, i); i++)
        print_setting(defaults, base, &config_settings[i], out);
}

void config_print(const struct silt_server_options *options, struct silt_buffer *out)
{
    struct silt_server_options *defaults = silt_malloc(sizeof(*defaults));

    silt_server_options_init(defaults);
    silt_buffer_printf(out, "# siltd.toml, looked for at --config, $SILT_CONFIG, ./siltd.toml, /etc/silt/siltd.toml.\n"
                            "# SILT_SECTION_KEY in the environment goes before the file. What is not marked as taken\n"
                            "# on SIGHUP needs a restart.\n");
    for (size_t i = 0; i < config_setting_count; i++) {
        if (i && same_section(i - 1, i))
            continue;
        const struct setting_list *list = config_find_list(silt_str_from(config_settings[i].section));
        if (!list) {
            print_section(defaults, options, i, "\n[%s]\n", out);
            continue;
        }
        for (uint64_t k = 0; k < config_list_count(options, list); k++)
            print_section(defaults, (const char *)options + k * list->stride, i, "\n[[%s]]\n", out);
    }
    free(defaults);
}

void config_help(struct silt_buffer *out)
{
    char name[96];

    silt_buffer_printf(out,
                       "siltd " SILT_VERSION ", a time-series database with InfluxDB 1.x's interface\n\n"
                       "  --config FILE      settings, InfluxDB's influxdb.conf too; else $SILT_CONFIG, ./siltd.toml,\n"
                       "                     /etc/silt/siltd.toml\n"
                       "  --http-bind ADDR   host:port to listen on\n"
                       "  --data-dir FOLDER  where everything is kept\n"
                       "  --print-config     print the settings in force as an explained siltd.toml, and end\n"
                       "  --version, --help\n\n"
                       "Every setting is also a variable of the environment:\n");
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting_list *list = config_find_list(silt_str_from(config_settings[i].section));
        config_environment_name("SILT", &config_settings[i], list ? 0 : -1, name, sizeof(name));
        silt_buffer_printf(out, "  %-36s %s (%s)\n", name, config_settings[i].help,
                           *config_settings[i].initial ? config_settings[i].initial : "empty");
    }
}
