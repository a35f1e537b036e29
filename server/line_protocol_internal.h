/*
 * line_protocol_internal.h - what the two line protocol parsers share: the batch being built, and the parser of one
 * line.
 */
#ifndef SILT_SERVER_LINE_PROTOCOL_INTERNAL_H
#define SILT_SERVER_LINE_PROTOCOL_INTERNAL_H

#include "server/line_protocol.h"

#define LP_NO_LAYOUT UINT32_MAX

/* A field of the line at hand. */
struct lp_field {
    struct silt_str raw;  /* name as sent */
    struct silt_str name; /* unescaped */
    enum silt_type type;
    union silt_value value;
};

struct lp_builder {
    struct silt_arena *arena;
    const char *text, *end;
    silt_time default_time;
    int64_t precision_ns;

    struct silt_row *rows;
    size_t row_count, row_capacity;
    union silt_value *values;
    size_t value_count, value_capacity;
    char *strings, *strings_end; /* free part of the newest piece for string values */

    struct silt_layout *layouts;
    size_t layout_count, layout_capacity;
    uint32_t *layout_slots; /* hash table: layout index + 1, 0 is free */
    size_t layout_slot_count;

    struct lp_error *errors;
    size_t error_count, error_capacity, error_total;

    struct lp_field *fields; /* of the line at hand; capacity is kept from line to line */
    size_t field_count, field_capacity;
    uint32_t *field_slots; /* hash table over fields, when there are many; count is 0 while unused */
    size_t field_slot_count, field_slot_capacity;
};

enum silt_status lp_builder_init(struct lp_builder *builder, const char *text, size_t len,
                                 const struct lp_options *options, struct silt_arena *arena, struct silt_error *err);
/* Room for one more row of that many values, judged by how far `at` is in the text. */
enum silt_status lp_builder_grow(struct lp_builder *builder, const char *at, size_t values, struct silt_error *err);
/* Room for a string value of that length. NULL: over budget. */
struct silt_bytes *lp_builder_string(struct lp_builder *builder, size_t len);
/* The layout of builder->fields (no name twice), found or made. */
uint32_t lp_builder_layout(struct lp_builder *builder, struct silt_str measurement);
void lp_builder_error(struct lp_builder *builder, struct silt_str line, struct silt_str reason);
void lp_builder_finish(const struct lp_builder *builder, struct silt_batch *out, struct lp_errors *errors);

static inline bool lp_builder_has_room(const struct lp_builder *builder, size_t values)
{
    return builder->row_count < builder->row_capacity && builder->value_capacity - builder->value_count >= values;
}

/* Blanks before a line, its fields or its time. */
static inline const char *lp_skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\0'))
        at++;
    return at;
}

/* The LF that ends the line which starts (after blanks) at `at`, or end: escaped and quoted LFs belong to the line. */
const char *lp_line_end(const char *at, const char *end);

/* The end of a measurement in series text: the first comma that is not escaped. */
const char *lp_measurement_end(const char *at, const char *end);

/* True and *out when the token is one of InfluxDB's words for booleans. */
bool lp_parse_boolean(const char *token, size_t len, bool *out);
/* A float or integer token: NULL, or the reason why it is none (in the arena). */
const char *lp_parse_number(const char *token, size_t len, enum silt_type *type, union silt_value *value,
                            struct silt_arena *arena);

/*
 * One line, without its LF and leading blanks, not empty, no comment: appends a row or an error. With validate_series
 * the series text is checked first, else only when the rest of the line is at fault, since its faults are to be
 * reported before all others. *layout is the row's layout, or LP_NO_LAYOUT.
 */
enum silt_status lp_parse_line(struct lp_builder *builder, struct silt_str line, bool validate_series, uint32_t *layout,
                               struct silt_error *err);

#endif
