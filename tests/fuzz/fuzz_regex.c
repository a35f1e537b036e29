/*
 * fuzz_regex.c - a pattern, a newline, a subject: what compiles passes the check of its syntax, and a match comes to an end.
 */
#include "silt/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t pattern_len = newline ? (size_t)(newline - data) : size;
    struct silt_regex *regex;
    struct silt_error err;
    char *pattern = malloc(pattern_len + 1), *subject = malloc(size + 1); /* exactly as long: reading past it is seen */

    memcpy(pattern, data, pattern_len);
    size_t subject_len = newline ? size - pattern_len - 1 : 0;
    if (subject_len)
        memcpy(subject, newline + 1, subject_len);
    struct silt_str text = {pattern, pattern_len};
    bool is_right = silt_regex_check(text, &err) == SILT_OK;
    if (silt_regex_compile(text, &regex, &err) == SILT_OK) {
        silt_assert(is_right);
        silt_assert(silt_str_equal(silt_regex_pattern(regex), text));
        silt_regex_match(regex, (struct silt_str){subject, subject_len});
        silt_regex_free(regex);
    } else {
        silt_assert(err.text[0]);
    }
    free(pattern);
    free(subject);
    return 0;
}
