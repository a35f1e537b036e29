/*
 * text.c - errors, sizes, times and names, as silt-inspect writes them.
 */
#include "inspect/inspect.h"

#include "silt/text.h"
#include "storage/encode.h"

#include <stdio.h>

int inspect_fail(const struct silt_error *err)
{
    fprintf(stderr, "silt-inspect: %s\n", err->text);
    return INSPECT_FAILED;
}

const char *inspect_bytes(uint64_t bytes, char *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double shown = (double)bytes;
    size_t unit = 0;
    for (; shown >= 1024 && unit < 4; unit++)
        shown /= 1024;
    snprintf(out, INSPECT_BYTES_TEXT_MAX, unit ? "%.1f %s" : "%.0f %s", shown, units[unit]);
    return out;
}

const char *inspect_time(silt_time time, char *out)
{
    out[silt_write_rfc3339(out, time, 0)] = '\0';
    return out;
}

const char *inspect_codec(unsigned codec)
{
    static const char *const names[ENCODE_CODEC_COUNT] = {[ENCODE_CONSTANT] = "constant",
                                                          [ENCODE_FOR] = "for",
                                                          [ENCODE_DELTA] = "delta",
                                                          [ENCODE_DELTA2] = "delta2",
                                                          [ENCODE_STEP] = "step",
                                                          [ENCODE_SCALED] = "scaled",
                                                          [ENCODE_DECIMAL] = "decimal",
                                                          [ENCODE_SPLIT] = "split",
                                                          [ENCODE_BITS] = "bits",
                                                          [ENCODE_RAW] = "raw",
                                                          [ENCODE_BITMAP] = "bitmap",
                                                          [ENCODE_RUNS] = "runs",
                                                          [ENCODE_DICTIONARY] = "dictionary",
                                                          [ENCODE_TREND] = "trend",
                                                          [ENCODE_TEMPLATE] = "template",
                                                          [ENCODE_RANKS] = "ranks",
                                                          [ENCODE_NEAR] = "near"};
    return codec < ENCODE_CODEC_COUNT ? names[codec] : "unknown";
}
