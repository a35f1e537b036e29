/*
 * fuzz_influxdb_conf.c - any bytes as InfluxDB's configuration file: read, with warnings, or refused with a reason.
 */
#include "server/config_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct silt_server_options options;
    struct silt_buffer warnings = {0};
    struct silt_str text = {(const char *)data, size};
    struct silt_error err;

    silt_server_options_init(&options);
    (void)config_is_influx("influxdb.conf", text);
    if (config_read_influx(&options, "influxdb.conf", text, &warnings, &err) != SILT_OK)
        silt_assert(err.text[0]);
    silt_buffer_free(&warnings);
    return 0;
}
