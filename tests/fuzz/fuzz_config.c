/*
 * fuzz_config.c - a siltd.toml of any bytes is read or refused; what was read prints to a file that reads back equal.
 */
#include "server/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct silt_server_options options, again;
    struct silt_buffer first = {0}, second = {0};
    struct silt_error err;

    silt_server_options_init(&options);
    if (config_read_text(&options, "fuzz", (struct silt_str){(const char *)data, size}, &err) != SILT_OK)
        return 0;
    config_print(&options, &first);
    silt_server_options_init(&again);
    enum silt_status rc = config_read_text(&again, "printed", (struct silt_str){first.p, first.len}, &err);
    config_print(&again, &second);
    silt_assert(rc == SILT_OK && first.len == second.len && memcmp(first.p, second.p, first.len) == 0);
    silt_buffer_free(&first);
    silt_buffer_free(&second);
    return 0;
}
