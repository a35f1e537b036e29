/*
 * msgpack_tokens.h - MessagePack cut into json_tokens.h's tokens as it arrives, in pieces of any size.
 *
 * What JSON does not tell it tells: whether a number is an integer or a float, and strings byte for byte. A piece may
 * end anywhere; what is left of a token is kept until the rest comes, so memory is bounded by the longest scalar.
 * InfluxDB's answers have no binary and no extension values when times are asked for as numbers: those are refused.
 * One thread.
 */
#ifndef SHELL_MSGPACK_TOKENS_H
#define SHELL_MSGPACK_TOKENS_H

#include "shell/json_tokens.h"

struct msgpack_tokens {
    json_token_fn emit;
    void *context;
    unsigned depth;
    struct {
        uint64_t left; /* keys and values that have to come */
        bool is_map;
    } open[JSON_DEPTH_MAX];
    struct silt_buffer rest; /* the beginning of a token */
};

void msgpack_tokens_init(struct msgpack_tokens *tokens, json_token_fn emit, void *context);
void msgpack_tokens_deinit(struct msgpack_tokens *tokens);
/* false: not MessagePack, or a kind of value that is not read; nothing more is read then. */
bool msgpack_tokens_feed(struct msgpack_tokens *tokens, const char *bytes, size_t len);
/* Whether the text may end here: between documents. */
bool msgpack_tokens_complete(const struct msgpack_tokens *tokens);

#endif
