/*
 * config_environment.c - SILT_SECTION_KEY=value of the environment into the options.
 */
#include "server/config_internal.h"

#include <ctype.h>
#include <stdio.h>

void config_environment_name(const char *prefix, const struct setting *setting, int index, char *out, size_t bytes)
{
    char number[16] = "";

    if (index >= 0)
        snprintf(number, sizeof(number), "_%d", index);
    snprintf(out, bytes, "%s_%s%s_%s", prefix, setting->section, number, setting->key);
    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

static bool in_a_section(const char *variable)
{
    for (size_t i = 0; i < config_setting_count; i++) {
        size_t len = strlen(config_settings[i].section);
        size_t k = 0;
        while (k < len && variable[k] == toupper((unsigned char)config_settings[i].section[k]))
            k++;
        if (k == len && variable[len] == '_')
            return true;
    }
    return false;
}

/* The setting of that name, and where it is set; an element of a list that was not there comes to be. */
static const struct setting *find(struct silt_server_options *options, struct silt_str name, void **base)
{
    char candidate[96];

    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting_list *list = config_find_list(silt_str_from(config_settings[i].section));
        for (int k = list ? 0 : -1; k < (list ? (int)list->max : 0); k++) {
            config_environment_name("SILT", &config_settings[i], k, candidate, sizeof(candidate));
            if (!silt_str_equal(name, silt_str_from(candidate)))
                continue;
            *base = (char *)options + (list ? (size_t)k * list->stride : 0);
            if (list && config_list_count(options, list) <= (uint64_t)k)
                config_list_set_count(options, list, (uint64_t)k + 1);
            return &config_settings[i];
        }
    }
    return NULL;
}

enum silt_status config_read_environment(struct silt_server_options *options, char *const *environment,
                                         struct silt_error *err)
{
    for (; *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        struct silt_error inner;
        void *base;

        if (strncmp(*environment, "SILT_", 5) != 0 || !equals || !in_a_section(*environment + 5))
            continue;
        struct silt_str name = {*environment, (size_t)(equals - *environment)};
        const struct setting *setting = find(options, name, &base);
        if (!setting)
            return silt_fail(err, SILT_INVALID, "%.*s: there is no such setting", SILT_FMT(name));
        if (config_set(base, setting, silt_str_from(equals + 1), &inner) != SILT_OK)
            return silt_fail(err, SILT_INVALID, "%.*s: %s", SILT_FMT(name), inner.text);
    }
    return SILT_OK;
}
