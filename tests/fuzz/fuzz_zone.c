/*
 * fuzz_zone.c - any bytes as a file of the tz database: refused, or a zone that has an offset at every instant and finds back
 * from local time. The module itself is part of this program, for only it reads such bytes; the library's is then left out.
 */
#include "base/zone.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const silt_time instants[] = {SILT_TIME_MIN,       -4000000000000000000, -1000000000, 0, 951782400000000000, 1700000000000000000,
                                         4102444800000000000, SILT_TIME_MAX};
    struct silt_zone *zone = silt_calloc(1, sizeof(*zone));
    uint8_t *bytes = silt_malloc(size ? size : 1);

    memcpy(bytes, data, size);
    zone->name = (struct silt_str){silt_strdup(SILT_STR("fuzz")), 4};
    if (read_zone(zone, bytes, size))
        for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
            silt_zone_offset(zone, instants[i]);
            silt_zone_from_local(zone, instants[i]);
        }
    free(bytes);
    free_zone(zone);
    return 0;
}
