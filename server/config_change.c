/*
 * config_change.c - what differs between two configurations, and taking over what a running server can (config.h).
 */
#include "server/config_internal.h"

static void add_name(struct silt_buffer *names, const char *section, const char *key)
{
    silt_buffer_printf(names, "%s%s%s%s", names->len ? " " : "", section, *key ? "." : "", key);
}

/* As they are printed; which is all there is to a value. */
static bool same(const void *a, const void *b, const struct setting *setting)
{
    struct silt_buffer left = {0}, right = {0};

    config_print_value(a, setting, &left);
    config_print_value(b, setting, &right);
    bool equal = silt_str_equal((struct silt_str){left.p, left.len}, (struct silt_str){right.p, right.len});
    silt_buffer_free(&left);
    silt_buffer_free(&right);
    return equal;
}

/* Other threads read the number meanwhile: one store. */
static void take(struct silt_server_options *options, const struct silt_server_options *fresh,
                 const struct setting *setting)
{
    void *to = (char *)options + setting->offset;
    const void *from = (const char *)fresh + setting->offset;

    switch (setting->kind) {
    case KIND_COUNT:
    case KIND_SIZE:
    case KIND_DURATION:
        __atomic_store_n((uint64_t *)to, *(const uint64_t *)from, __ATOMIC_RELAXED);
        return;
    case KIND_BOOLEAN:
        __atomic_store_n((bool *)to, *(const bool *)from, __ATOMIC_RELAXED);
        return;
    case KIND_LEVEL:
        __atomic_store_n((enum silt_log_level *)to, *(const enum silt_log_level *)from, __ATOMIC_RELAXED);
        return;
    case KIND_TEXT:
    case KIND_ADDRESS:
    case KIND_SYNC:
    case KIND_SECURITY:
    case KIND_MULTIVALUE:
        break;
    }
    silt_assert(!"a setting of this kind cannot be live");
}

static bool same_list(const struct silt_server_options *a, const struct silt_server_options *b,
                      const struct setting_list *list)
{
    uint64_t count = config_list_count(a, list);

    if (count != config_list_count(b, list))
        return false;
    for (size_t i = 0; i < config_setting_count; i++)
        for (size_t k = 0; strcmp(config_settings[i].section, list->section) == 0 && k < count; k++)
            if (!same((const char *)a + k * list->stride, (const char *)b + k * list->stride, &config_settings[i]))
                return false;
    return true;
}

void config_take_live(struct silt_server_options *options, const struct silt_server_options *fresh,
                      struct silt_buffer *changed, struct silt_buffer *restart)
{
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        const struct setting_list *list = config_find_list(silt_str_from(setting->section));
        bool first = i == 0 || strcmp(setting->section, config_settings[i - 1].section) != 0;
        if (list) { /* named as a whole */
            if (first && !same_list(options, fresh, list))
                add_name(restart, setting->section, "");
        } else if (!same(options, fresh, setting)) {
            add_name(setting->live ? changed : restart, setting->section, setting->key);
            if (setting->live)
                take(options, fresh, setting);
        }
    }
}
