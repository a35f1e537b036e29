/*
 * predicate.c - see predicate.h.
 *
 *     all   = term { AND term }
 *     term  = "(" all ")" | name "=" value
 */
#include "server/predicate.h"
#include "silt/text.h"

#include <ctype.h>
#include <strings.h>

#define DEPTH_MAX 100

struct reader {
    const char *p, *end;
    char *to;                 /* room for what was in quotes: as much as the whole text */
    struct silt_buffer where; /* the conditions, each with AND behind it */
    struct silt_str measurement;
    bool has_measurement, contradiction; /* of two measurements at once there is nothing */
    unsigned depth;
    struct silt_error *err;
};

static void skip_space(struct reader *r)
{
    while (r->p < r->end && isspace((unsigned char)*r->p))
        r->p++;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || (unsigned char)c >= 0x80;
}

static enum silt_status fail(struct reader *r, const char *expected)
{
    if (r->p >= r->end)
        return silt_fail(r->err, SILT_INVALID, "found EOF, expected %s", expected);
    return silt_fail(r->err, SILT_INVALID, "found %c, expected %s", isprint((unsigned char)*r->p) ? *r->p : '?',
                     expected);
}

static enum silt_status unsupported(struct reader *r)
{
    return silt_fail(r->err, SILT_UNSUPPORTED, "predicate only supports equality operators and conjunctions");
}

/* A word, or text in quotes with its backslashes taken off. */
static enum silt_status read_text(struct reader *r, const char *expected, struct silt_str *out)
{
    const char *begin = r->p;

    if (r->p == r->end)
        return fail(r, expected);
    if (*r->p != '"' && *r->p != '\'') {
        while (r->p < r->end && is_word(*r->p))
            r->p++;
        *out = (struct silt_str){begin, (size_t)(r->p - begin)};
        return out->len ? SILT_OK : fail(r, expected);
    }
    char quote = *r->p++;
    *out = (struct silt_str){r->to, 0};
    while (r->p < r->end && *r->p != quote) {
        if (*r->p == '\\' && r->p + 1 < r->end && (r->p[1] == quote || r->p[1] == '\\'))
            r->p++;
        *r->to++ = *r->p++;
    }
    out->len = (size_t)(r->to - out->p);
    if (r->p == r->end)
        return fail(r, "a closing quote");
    r->p++;
    return SILT_OK;
}

static void put_quoted(struct silt_buffer *out, char quote, struct silt_str text)
{
    silt_buffer_char(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == quote || text.p[i] == '\\')
            silt_buffer_char(out, '\\');
        if (text.p[i] == '\n')
            silt_buffer_append(out, "\\n", 2);
        else
            silt_buffer_char(out, text.p[i]);
    }
    silt_buffer_char(out, quote);
}

static enum silt_status read_comparison(struct reader *r)
{
    struct silt_str name, value;
    enum silt_status rc = read_text(r, "identifier", &name);

    if (rc != SILT_OK)
        return rc;
    skip_space(r);
    if (r->p < r->end && (strchr("!<>", *r->p) || (*r->p == '=' && r->p + 1 < r->end && r->p[1] == '~')))
        return unsupported(r);
    if (r->p == r->end || *r->p != '=')
        return fail(r, "=");
    r->p++;
    skip_space(r);
    if ((rc = read_text(r, "a value", &value)) != SILT_OK)
        return rc;
    if (silt_str_equal(name, SILT_STR("_measurement"))) {
        r->contradiction = r->contradiction || (r->has_measurement && !silt_str_equal(r->measurement, value));
        r->has_measurement = true;
        r->measurement = value;
        return SILT_OK;
    }
    put_quoted(&r->where, '"', name);
    silt_buffer_append(&r->where, " = ", 3);
    put_quoted(&r->where, '\'', value);
    silt_buffer_append(&r->where, " AND ", 5);
    return SILT_OK;
}

static bool take_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(r->end - r->p) < len || strncasecmp(r->p, word, len) != 0 ||
        ((size_t)(r->end - r->p) > len && is_word(r->p[len])))
        return false;
    r->p += len;
    return true;
}

static enum silt_status read_all(struct reader *r);

static enum silt_status read_term(struct reader *r)
{
    skip_space(r);
    if (r->p == r->end || *r->p != '(')
        return read_comparison(r);
    if (++r->depth > DEPTH_MAX)
        return silt_fail(r->err, SILT_INVALID, "more than %d parentheses within each other", DEPTH_MAX);
    r->p++;
    enum silt_status rc = read_all(r);
    if (rc != SILT_OK)
        return rc;
    if (r->p == r->end || *r->p != ')')
        return fail(r, ")");
    r->p++;
    r->depth--;
    return SILT_OK;
}

static enum silt_status read_all(struct reader *r)
{
    enum silt_status rc;

    for (;;) {
        if ((rc = read_term(r)) != SILT_OK)
            return rc;
        skip_space(r);
        if (take_word(r, "or"))
            return unsupported(r);
        if (!take_word(r, "and"))
            return SILT_OK;
    }
}

enum silt_status predicate_to_delete(const struct predicate *predicate, struct silt_arena *arena, struct silt_str *out,
                                     struct silt_error *err)
{
    struct reader r = {.p = predicate->text.p, .end = predicate->text.p + predicate->text.len, .err = err};
    struct silt_buffer text = {0};
    enum silt_status rc = SILT_OK;

    r.to = silt_arena_try_alloc(arena, predicate->text.len + 1);
    if (!r.to)
        return silt_fail(err, SILT_LIMIT, "no memory for a predicate of %zu bytes", predicate->text.len);
    skip_space(&r);
    if (r.p < r.end && (rc = read_all(&r)) == SILT_OK && r.p < r.end)
        rc = fail(&r, "AND");
    if (rc == SILT_OK) {
        silt_buffer_append(&text, "DELETE", 6);
        if (r.has_measurement) {
            silt_buffer_append(&text, " FROM ", 6);
            put_quoted(&text, '"', r.measurement);
        }
        silt_buffer_append(&text, " WHERE ", 7);
        silt_buffer_append(&text, r.where.p, r.where.len);
        silt_buffer_printf(&text, "time >= %lld AND time < %lld", (long long)predicate->start,
                           (long long)predicate->stop);
        *out =
            r.contradiction ? (struct silt_str){NULL, 0} : silt_arena_str(arena, (struct silt_str){text.p, text.len});
    }
    silt_buffer_free(&text);
    silt_buffer_free(&r.where);
    return rc;
}
