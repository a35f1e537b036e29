/*
 * fuzz_line_protocol.c - any bytes: the fast parser reads none beyond its text and agrees with the strict one.
 *
 * The first byte picks the precision. The text is parsed twice over as well, so that the second half meets what was
 * learnt from the first, and with a tail that leaves the fast parser room to work.
 */
#include "tests/line_protocol_compare.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, size_t len, const struct lp_options *options)
{
    const char *different = compare_parsers(text, len, options);
    if (different) {
        fprintf(stderr, "%s\n", different);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t units[] = {1, 1000, 1000000, 1000000000, 60000000000, 3600000000000};
    static const char tail[] = "\n# a comment of no use but to be long enough that what stands before it is not near "
                               "the end of the text, where only the plain parser works\n";
    if (size == 0)
        return 0;
    struct lp_options options = {.now = 1700000000123456789, .precision_ns = units[data[0] % 6]};
    size_t len = size - 1;
    char *text = malloc(2 * len + sizeof(tail) + 1); /* exact sizes, so that the sanitizer guards the end */
    char *exact = malloc(len ? len : 1);
    memcpy(exact, data + 1, len);
    check(exact, len, &options);

    memcpy(text, exact, len);
    text[len] = '\n';
    memcpy(text + len + 1, exact, len);
    memcpy(text + 2 * len + 1, tail, sizeof(tail) - 1);
    check(text, 2 * len + sizeof(tail), &options);
    free(exact);
    free(text);
    return 0;
}
