/*
 * fuzz_params.c - what a request brings besides its body proper: query strings, forms, credentials, bound parameters.
 * The first byte picks the reader. Nothing may crash; whatever is decoded must lie within what was given or the arena.
 */
#include "server/auth_read.h"
#include "server/json_read.h"
#include "server/params.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct silt_error err;
    struct params params = {0};
    struct silt_param *bound;
    struct auth auth;
    size_t count;

    if (size == 0)
        return 0;
    struct silt_arena *arena = silt_arena_create(NULL);
    char *copy = malloc(size > 1 ? size - 1 : 1); /* exactly as long: reading past it is seen */
    memcpy(copy, data + 1, size - 1);
    struct silt_str text = {copy, size - 1};
    switch (data[0] % 5) {
    case 0:
        params_add_urlencoded(&params, text, PARAM_URL, arena, &err);
        break;
    case 1:
        params_add_body(&params, SILT_STR("multipart/form-data; boundary=B"), text, arena, &err);
        break;
    case 2:
        params_add_multipart(&params, text, SILT_STR("--B\r\n\r\nx\r\n--B--"), arena, &err);
        break;
    case 3:
        auth_read(&auth, (struct silt_str){NULL, 0}, (struct silt_str){NULL, 0}, text, arena);
        break;
    default:
        if (json_read_params(text, arena, &bound, &count, &err) == SILT_OK)
            for (size_t i = 0; i < count; i++)
                silt_assert(bound[i].kind <= SILT_PARAM_ERROR);
    }
    for (size_t i = 0; i < params.count; i++)
        params_get(&params, "q");
    free(copy);
    silt_arena_destroy(arena);
    return 0;
}
