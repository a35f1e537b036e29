/*
 * config_file.c - a configuration file into the options: siltd.toml here, InfluxDB's in config_influx.c.
 */
#include "server/config_internal.h"
#include "server/config_toml.h"

#include <errno.h>

#define CONFIG_FILE_BYTES_MAX ((size_t)1 << 20)
#define SETTINGS_MAX 256

struct place { /* where in the file and in the options the reader stands */
    const char *path;
    struct silt_str section;
    const struct setting_list *list;
    char *base; /* what the section's settings are set in */
    bool seen[SETTINGS_MAX];
};

static enum silt_status enter_section(struct silt_server_options *options, struct place *at,
                                      const struct toml_item *item, struct silt_error *err)
{
    at->section = item->section;
    at->list = config_find_list(item->section);
    at->base = (char *)options;
    if (!config_known_section(item->section))
        return silt_fail(err, SILT_INVALID, "%s:%u: there is no section [%.*s]", at->path, item->line,
                         SILT_FMT(item->section));
    if (!at->list)
        return item->repeated ? silt_fail(err, SILT_INVALID, "%s:%u: [%.*s] stands once, in single brackets", at->path,
                                          item->line, SILT_FMT(item->section))
                              : SILT_OK;
    uint64_t count = config_list_count(options, at->list);
    if (!item->repeated)
        return silt_fail(err, SILT_INVALID, "%s:%u: a section of this kind is written [[%.*s]]", at->path, item->line,
                         SILT_FMT(item->section));
    if (count == at->list->max)
        return silt_fail(err, SILT_INVALID, "%s:%u: more than %zu of [[%.*s]]", at->path, item->line, at->list->max,
                         SILT_FMT(item->section));
    at->base += count * at->list->stride;
    config_list_set_count(options, at->list, count + 1);
    for (size_t i = 0; i < config_setting_count; i++)
        if (silt_str_equal(item->section, silt_str_from(config_settings[i].section)))
            at->seen[i] = false;
    return SILT_OK;
}

static enum silt_status take_pair(struct place *at, const struct toml_item *item, struct silt_error *err)
{
    struct silt_error inner;

    if (at->section.len == 0)
        return silt_fail(err, SILT_INVALID, "%s:%u: a setting stands before the first [section]", at->path, item->line);
    const struct setting *setting = config_find(at->section, item->key);
    if (!setting)
        return silt_fail(err, SILT_INVALID, "%s:%u: there is no setting %.*s in [%.*s]", at->path, item->line,
                         SILT_FMT(item->key), SILT_FMT(at->section));
    if (at->seen[setting - config_settings])
        return silt_fail(err, SILT_INVALID, "%s:%u: %.*s is set twice", at->path, item->line, SILT_FMT(item->key));
    at->seen[setting - config_settings] = true;
    bool bare_kind = setting->kind == KIND_COUNT || setting->kind == KIND_BOOLEAN || setting->kind == KIND_SIZE;
    const char *wrong = NULL;
    if (item->kind == TOML_LIST)
        wrong = "one value is wanted, not a list";
    else if (item->kind == TOML_BARE && !bare_kind)
        wrong = "the value must stand in quotes";
    else if (item->kind == TOML_TEXT && (setting->kind == KIND_COUNT || setting->kind == KIND_BOOLEAN))
        wrong = "the value must stand without quotes";
    else if (config_set(at->base, setting, item->value, &inner) != SILT_OK)
        wrong = inner.text;
    if (!wrong)
        return SILT_OK;
    return silt_fail(err, SILT_INVALID, "%s:%u: %s.%s: %s", at->path, item->line, setting->section, setting->key,
                     wrong);
}

enum silt_status config_read_text(struct silt_server_options *options, const char *path, struct silt_str text,
                                  struct silt_error *err)
{
    struct place at = {.path = path, .base = (char *)options};
    struct toml_reader reader;
    struct toml_item item;
    enum silt_status rc;

    silt_assert(config_setting_count <= SETTINGS_MAX);
    toml_init(&reader, path, text);
    while ((rc = toml_next(&reader, &item, err)) == SILT_OK && item.what != TOML_END) {
        rc = item.what == TOML_SECTION ? enter_section(options, &at, &item, err) : take_pair(&at, &item, err);
        if (rc != SILT_OK)
            break;
    }
    toml_deinit(&reader);
    return rc;
}

enum silt_status config_read_file(struct silt_server_options *options, const char *path, bool must, bool *found,
                                  struct silt_buffer *warnings, struct silt_error *err)
{
    struct silt_buffer text = {0};
    struct silt_error inner;
    enum silt_status rc = silt_buffer_read_file(&text, path, CONFIG_FILE_BYTES_MAX, &inner);

    *found = rc == SILT_OK || inner.sys_errno != ENOENT;
    if (rc != SILT_OK) {
        silt_buffer_free(&text);
        if (!must && !*found)
            return SILT_OK;
        *err = inner;
        return rc;
    }
    struct silt_str all = {text.p, text.len};
    rc = config_is_influx(path, all) ? config_read_influx(options, path, all, warnings, err)
                                     : config_read_text(options, path, all, err);
    silt_buffer_free(&text);
    return rc;
}
