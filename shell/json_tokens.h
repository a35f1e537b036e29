/*
 * json_tokens.h - JSON cut into tokens as it arrives, in pieces of any size.
 *
 *     {"results":[{"ser | ies":[...]}]}\n{"results":[...]}
 *                       ^ a piece may end anywhere; documents follow each other without a separator
 *
 * Only one scalar is kept at a time, so memory is bounded by the longest one. One thread.
 */
#ifndef SHELL_JSON_TOKENS_H
#define SHELL_JSON_TOKENS_H

#include "silt/text.h"

#define JSON_DEPTH_MAX 32
#define JSON_SCALAR_BYTES_MAX (64u << 20) /* above InfluxDB's longest string field */

enum json_token {
    JSON_OBJECT_BEGIN,
    JSON_OBJECT_END,
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_KEY,    /* text: unescaped */
    JSON_STRING, /* text: unescaped */
    JSON_NUMBER, /* text: as sent */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
    JSON_INTEGER, /* these three from MessagePack only; text: the 8 bytes of an int64_t, uint64_t or double */
    JSON_UNSIGNED,
    JSON_FLOAT,
};

/* text is borrowed for the call. */
typedef void (*json_token_fn)(void *context, enum json_token token, struct silt_str text);

struct json_tokens {
    json_token_fn emit;
    void *context;
    int state;
    unsigned depth;
    bool is_object[JSON_DEPTH_MAX];
    bool scalar_is_key;
    const char *literal; /* what is left of true, false, null */
    enum json_token literal_token;
    unsigned hex_digits;
    uint32_t hex, high_surrogate;
    struct silt_buffer scalar;
};

void json_tokens_init(struct json_tokens *tokens, json_token_fn emit, void *context);
void json_tokens_deinit(struct json_tokens *tokens);
/* false: not JSON; nothing more is read then. */
bool json_tokens_feed(struct json_tokens *tokens, const char *bytes, size_t len);
/* Whether the text may end here: between documents. */
bool json_tokens_complete(const struct json_tokens *tokens);

#endif
