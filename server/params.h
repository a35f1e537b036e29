/*
 * params.h - the parameters of a request: query string, urlencoded form, multipart form.
 *
 * Decoding follows the rules clients of InfluxDB rely on: `+` is a blank, a pair with a bad escape or a bare `;` is
 * left out, of several values the first counts; an urlencoded form's value goes before the query string's, which goes
 * before a multipart form's.
 *
 * Memory: decoded text lives in the arena; text that needs no decoding is borrowed from the request.
 */
#ifndef SERVER_PARAMS_H
#define SERVER_PARAMS_H

#include "silt/base.h"

#define PARAMS_COUNT_MAX 1024

/* In the order in which they count. */
enum param_place {
    PARAM_FORM, /* urlencoded body */
    PARAM_URL,
    PARAM_PART, /* multipart body */
    PARAM_FILE, /* the same, with a file name */
};

struct param {
    struct silt_str name, value;
    enum param_place place;
};

struct params {
    struct param *items;
    size_t count, capacity;
};

/* SILT_LIMIT: more than PARAMS_COUNT_MAX of them. */
enum silt_status params_add_urlencoded(struct params *params, struct silt_str text, enum param_place place,
                                       struct silt_arena *arena, struct silt_error *err);
/* SILT_INVALID: not a multipart body with the boundary that content_type names; params are as before. */
enum silt_status params_add_multipart(struct params *params, struct silt_str content_type, struct silt_str body,
                                      struct silt_arena *arena, struct silt_error *err);
bool params_is_multipart(struct silt_str content_type);
/* By the body's content type, as a form if it is one. */
enum silt_status params_add_body(struct params *params, struct silt_str content_type, struct silt_str body,
                                 struct silt_arena *arena, struct silt_error *err);

/* Empty when absent. Files are not looked at. */
struct silt_str params_get(const struct params *params, const char *name);
struct silt_str params_get_url(const struct params *params, const char *name);
/* NULL when absent. */
struct silt_str params_get_file(const struct params *params, const char *name);

/* Bytes of %XX and + decoded in place; false on a bad escape. */
bool params_decode(struct silt_str text, struct silt_arena *arena, struct silt_str *out);

#endif
