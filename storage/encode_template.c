/*
 * encode_template.c - strings made by one printf: their text once, and the numbers in it as integers.
 *
 *     "served in 17 steps", "served in 6 steps"  ->  "served in 0 steps", {17, 6}
 *
 *     TEMPLATE  | templates k, 1..64, varint | codes packed, just enough bits each | bytes of the table varint
 *               | table of the templates
 *               | of each template, of each number in it: pad, 1, and the numbers of its strings as integers nested |
 *
 * A template is a string with every run of digits written as one '0': it has no other digit. A number is written
 * without zeros in front (pad 0) or, where all strings of the template have as many digits, with zeros to that many
 * (pad 1..18).
 *
 * What a payload can grow to is bounded by TEMPLATE_BYTES_MAX and NUMBERS_MAX, whatever it claims.
 */
#include "storage/encode_template.h"

#include <stdlib.h>

#define TEMPLATES_MAX 64u
#define FEW 8u /* so many templates are no reason to give up early */
#define TEMPLATE_BYTES_MAX 512u
#define SLOTS_MAX 32u                      /* numbers in one template */
#define NUMBERS_MAX (8u * ENCODE_ROWS_MAX) /* in all strings of a run */
#define DIGITS_MAX 18u                     /* any so long fits in an int64_t */
#define COPY_BYTES 16u

struct template
{
    size_t start, len; /* in parsed.texts */
    unsigned slots, rows, first_row;
};

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* ---------------------------------------------------------------- encoding */

struct parsed {
    struct silt_buffer texts;
    struct template templates[TEMPLATES_MAX];
    unsigned count, number_count;
    uint64_t codes[ENCODE_ROWS_MAX];
    uint16_t first_number[ENCODE_ROWS_MAX]; /* of a string */
    uint16_t order[ENCODE_ROWS_MAX];
    int64_t numbers[NUMBERS_MAX];
    uint8_t digits[NUMBERS_MAX];
};

/* The string's template behind parsed->texts, its numbers behind the others; false: it has none. */
static bool parse_one(struct parsed *parsed, struct silt_str text, size_t *len, unsigned *slots)
{
    if (text.len > TEMPLATE_BYTES_MAX)
        return false;
    silt_buffer_reserve(&parsed->texts, text.len + 1);
    char *start = parsed->texts.p + parsed->texts.len, *to = start;
    *slots = 0;
    for (const char *at = text.p, *end = at + text.len; at < end;) {
        if (!is_digit(*at)) {
            *to++ = *at++;
            continue;
        }
        const char *from = at;
        int64_t value = 0;
        for (; at < end && is_digit(*at) && at - from < DIGITS_MAX; at++)
            value = value * 10 + (*at - '0');
        if ((at < end && is_digit(*at)) || *slots == SLOTS_MAX || parsed->number_count == NUMBERS_MAX)
            return false;
        parsed->numbers[parsed->number_count] = value;
        parsed->digits[parsed->number_count++] = (uint8_t)(at - from);
        *to++ = '0';
        ++*slots;
    }
    *len = (size_t)(to - start);
    return true;
}

/* Which template the text at the end of parsed->texts is; a new one is kept. TEMPLATES_MAX: too many. */
static unsigned find_template(struct parsed *parsed, size_t len, unsigned slots, unsigned before)
{
    const char *texts = parsed->texts.p, *text = texts + parsed->texts.len;
    for (unsigned k = 0, t = before; k < parsed->count; k++, t = t + 1 < parsed->count ? t + 1 : 0)
        if (parsed->templates[t].len == len && memcmp(texts + parsed->templates[t].start, text, len) == 0)
            return t;
    if (parsed->count < TEMPLATES_MAX) {
        parsed->templates[parsed->count] = (struct template){.start = parsed->texts.len, .len = len, .slots = slots};
        parsed->texts.len += len;
        return parsed->count++;
    }
    return TEMPLATES_MAX;
}

static bool parse_all(struct parsed *parsed, const struct silt_str *values, unsigned count)
{
    unsigned before = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned slots;
        size_t len;
        parsed->first_number[i] = (uint16_t)parsed->number_count;
        if (!parse_one(parsed, values[i], &len, &slots))
            return false;
        before = find_template(parsed, len, slots, before);
        if (before == TEMPLATES_MAX || (parsed->count > FEW && parsed->count > i / FEW))
            return false;
        parsed->codes[i] = before;
        parsed->templates[before].rows++;
    }
    return parsed->number_count > 0;
}

/* order: the rows template by template; every template's rows end up at order[first_row..]. */
static void sort_rows(const uint64_t *codes, unsigned count, struct template *templates, unsigned template_count,
                      uint16_t *order)
{
    unsigned at[TEMPLATES_MAX], sum = 0;
    for (unsigned t = 0; t < template_count; t++) {
        templates[t].first_row = at[t] = sum;
        sum += templates[t].rows;
    }
    for (unsigned i = 0; i < count; i++)
        order[at[codes[i]]++] = (uint16_t)i;
}

/* One number of all strings of a template; false when some have zeros in front and not all as many digits. */
static bool put_numbers(const struct parsed *parsed, const struct template *of, unsigned slot, struct silt_buffer *out)
{
    int64_t numbers[ENCODE_ROWS_MAX];
    unsigned shortest = DIGITS_MAX, longest = 0;
    bool zeros = false;
    for (unsigned r = 0; r < of->rows; r++) {
        unsigned place = parsed->first_number[parsed->order[of->first_row + r]] + slot, digits = parsed->digits[place];
        numbers[r] = parsed->numbers[place];
        shortest = digits < shortest ? digits : shortest;
        longest = digits > longest ? digits : longest;
        zeros |= digits > 1 && (uint64_t)numbers[r] < silt_powers_of_ten[digits - 1];
    }
    if (zeros && shortest != longest)
        return false;
    silt_buffer_char(out, (char)(zeros ? longest : 0));
    encode_nested_ints(numbers, of->rows, out);
    return true;
}

static bool put_parsed(struct parsed *parsed, unsigned count, struct silt_buffer *out)
{
    struct silt_str texts[TEMPLATES_MAX];
    for (unsigned t = 0; t < parsed->count; t++)
        texts[t] = (struct silt_str){parsed->texts.p + parsed->templates[t].start, parsed->templates[t].len};
    sort_rows(parsed->codes, count, parsed->templates, parsed->count, parsed->order);
    encode_put_varint(out, parsed->count);
    encode_put_packed(out, parsed->codes, count, encode_width(parsed->count - 1));
    struct silt_buffer table = {0};
    encode_put_table(texts, parsed->count, &table);
    encode_put_varint(out, table.len);
    silt_buffer_append(out, table.p, table.len);
    silt_buffer_free(&table);
    for (unsigned t = 0; t < parsed->count; t++)
        for (unsigned slot = 0; slot < parsed->templates[t].slots; slot++)
            if (!put_numbers(parsed, &parsed->templates[t], slot, out))
                return false;
    return true;
}

bool encode_put_templates(const struct silt_str *values, unsigned count, struct silt_buffer *out)
{
    struct parsed *parsed = silt_malloc(sizeof(*parsed));
    size_t start = out->len;
    parsed->texts = (struct silt_buffer){0};
    parsed->count = parsed->number_count = 0;
    bool done = parse_all(parsed, values, count) && put_parsed(parsed, count, out);
    if (!done)
        out->len = start;
    silt_buffer_free(&parsed->texts);
    free(parsed);
    return done;
}

/* ---------------------------------------------------------------- decoding */

struct filled {
    struct template templates[TEMPLATES_MAX];
    struct silt_str texts[TEMPLATES_MAX];
    unsigned count;
    uint16_t order[ENCODE_ROWS_MAX];
    int64_t numbers[NUMBERS_MAX]; /* of each template, of each slot: of its rows */
    uint8_t pads[NUMBERS_MAX];    /* of each template, of each slot */
};

/* Slots of a template's text; false when it cannot be one. */
static bool count_slots(struct silt_str text, unsigned *slots)
{
    *slots = 0;
    if (text.len > TEMPLATE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (is_digit(text.p[i]) && text.p[i] != '0')
            return false;
        *slots += text.p[i] == '0';
    }
    return *slots <= SLOTS_MAX;
}

/* The numbers of one slot: read, and how many digits they take together. */
static bool get_numbers(struct encode_cursor *cursor, unsigned rows, int64_t *numbers, uint8_t *pad, size_t *bytes)
{
    size_t consumed;
    if (cursor->at == cursor->end || *cursor->at > DIGITS_MAX)
        return false;
    *pad = *cursor->at++;
    int64_t limit = (int64_t)silt_powers_of_ten[*pad ? *pad : DIGITS_MAX] - 1;
    if (decode_nested_counts(cursor->at, (size_t)(cursor->end - cursor->at), rows, limit, numbers, &consumed) !=
        SILT_OK)
        return false;
    cursor->at += consumed;
    if (*pad)
        *bytes += (size_t)*pad * rows;
    else
        for (unsigned r = 0; r < rows; r++)
            *bytes += silt_digits((uint64_t)numbers[r]);
    return true;
}

static inline char *write_padded(char *to, uint64_t value, unsigned pad)
{
    char text[DIGITS_MAX + 1];
    silt_write_uint(text, silt_powers_of_ten[pad] + value); /* a digit more than is wanted, and no zeros in front */
    memcpy(to, text + 1, pad);
    return to + pad;
}

/* `to` and `from` have COPY_BYTES more than what is written and read. */
static inline char *copy_loosely(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i += COPY_BYTES)
        memcpy(to + i, from + i, COPY_BYTES);
    return to + len;
}

/* The strings of one template at `to`, which has COPY_BYTES more than they need. */
static char *write_strings(const struct template *of, struct silt_str text, const uint16_t *rows,
                           const int64_t *numbers, const uint8_t *pads, char *to, struct silt_str *out)
{
    char between[TEMPLATE_BYTES_MAX + COPY_BYTES];
    uint16_t starts[SLOTS_MAX + 1], lens[SLOTS_MAX + 1];
    unsigned slot = 0;
    memcpy(between, text.p, text.len);
    starts[0] = lens[0] = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '0') {
            starts[++slot] = (uint16_t)(i + 1);
            lens[slot] = 0;
        } else {
            lens[slot]++;
        }
    }
    for (unsigned r = 0; r < of->rows; r++) {
        char *start = to;
        to = copy_loosely(to, between, lens[0]);
        for (slot = 0; slot < of->slots; slot++) {
            uint64_t number = (uint64_t)numbers[(size_t)slot * of->rows + r];
            to = pads[slot] ? write_padded(to, number, pads[slot]) : to + silt_write_uint(to, number);
            to = copy_loosely(to, between + starts[slot + 1], lens[slot + 1]);
        }
        out[rows[r]] = (struct silt_str){start, (size_t)(to - start)};
    }
    return to;
}

/* Codes, templates and numbers; *bytes: of all strings together. */
static enum silt_status read_filled(struct encode_cursor cursor, unsigned count, struct silt_arena *arena,
                                    struct filled *filled, size_t *bytes)
{
    uint64_t found = encode_get_varint(&cursor), codes[ENCODE_ROWS_MAX];
    if (!cursor.at || found < 1 || found > TEMPLATES_MAX)
        return SILT_CORRUPT;
    filled->count = (unsigned)found;
    unsigned width = encode_width(found - 1);
    size_t codes_bytes = encode_packed_bytes(count, width);
    if ((size_t)(cursor.end - cursor.at) < codes_bytes)
        return SILT_CORRUPT;
    decode_packed(cursor.at, count, width, codes);
    cursor.at += codes_bytes;
    memset(filled->templates, 0, sizeof(filled->templates));
    for (unsigned i = 0; i < count; i++) {
        if (codes[i] >= found)
            return SILT_CORRUPT;
        filled->templates[codes[i]].rows++;
    }
    uint64_t table_bytes = encode_get_varint(&cursor);
    if (!cursor.at || table_bytes > (uint64_t)(cursor.end - cursor.at))
        return SILT_CORRUPT;
    enum silt_status rc = decode_table(cursor.at, table_bytes, filled->count, arena, filled->texts);
    if (rc != SILT_OK)
        return rc;
    cursor.at += table_bytes;
    sort_rows(codes, count, filled->templates, filled->count, filled->order);
    int64_t *numbers = filled->numbers;
    uint8_t *pads = filled->pads;
    *bytes = 0;
    for (unsigned t = 0; t < filled->count; t++) {
        struct template *of = &filled->templates[t];
        if (of->rows == 0 || !count_slots(filled->texts[t], &of->slots) ||
            of->slots * of->rows > NUMBERS_MAX - (size_t)(numbers - filled->numbers))
            return SILT_CORRUPT;
        *bytes += (filled->texts[t].len - of->slots) * of->rows;
        for (unsigned slot = 0; slot < of->slots; slot++, numbers += of->rows)
            if (!get_numbers(&cursor, of->rows, numbers, pads++, bytes))
                return SILT_CORRUPT;
    }
    return cursor.at == cursor.end ? SILT_OK : SILT_CORRUPT;
}

enum silt_status decode_templates(const uint8_t *bytes, size_t len, unsigned count, struct silt_arena *arena,
                                  struct silt_str *out)
{
    struct filled *filled = silt_malloc(sizeof(*filled));
    size_t text_bytes;
    enum silt_status rc = read_filled((struct encode_cursor){bytes, bytes + len}, count, arena, filled, &text_bytes);
    char *to = rc == SILT_OK ? silt_arena_try_alloc(arena, text_bytes + COPY_BYTES) : NULL;
    if (rc == SILT_OK && !to)
        rc = SILT_LIMIT;
    const int64_t *numbers = filled->numbers;
    const uint8_t *pads = filled->pads;
    for (unsigned t = 0; rc == SILT_OK && t < filled->count; t++) {
        const struct template *of = &filled->templates[t];
        to = write_strings(of, filled->texts[t], filled->order + of->first_row, numbers, pads, to, out);
        numbers += (size_t)of->slots * of->rows;
        pads += of->slots;
    }
    free(filled);
    return rc;
}
