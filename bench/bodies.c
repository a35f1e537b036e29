/*
 * bodies.c - implements bodies.h.
 */
#include "bench/bodies.h"
#include "bench/remote_write.h"
#include "server/line_protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define TIME_DIGITS 19      /* of nanoseconds from 2001 to 2262 */
#define GZIP_WINDOW 31      /* zlib: 15 bits, and gzip's frame */
#define FILE_LINE_BYTES_MAX (1 << 20)

struct maker {
    struct bodies *bodies;
    const struct bodies_plan *plan;
    struct silt_buffer text; /* the body being made */
    struct silt_buffer times; /* of its rows, uint32_t each */
    uint32_t rows;
    size_t capacity;
};

static bool pack(struct silt_str text, struct silt_buffer *out)
{
    z_stream z = {.next_in = (Bytef *)text.p, .avail_in = (uInt)text.len};

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    silt_buffer_reserve(out, deflateBound(&z, text.len));
    z.next_out = (Bytef *)out->p;
    z.avail_out = (uInt)(out->capacity - out->len);
    bool done = deflate(&z, Z_FINISH) == Z_STREAM_END;
    out->len = z.total_out;
    deflateEnd(&z);
    return done;
}

/* A file's rows differ in their fields: the server's own parser counts them. */
static bool count_values(struct silt_str lines, size_t *values)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct lp_options options = {.now = silt_clock_now(), .precision_ns = 1};
    struct silt_batch batch;
    struct lp_errors errors;
    struct silt_error err;
    bool good = lp_parse(lines.p, lines.len, &options, arena, &batch, &errors, &err) == SILT_OK && errors.total == 0;

    if (good)
        for (size_t i = 0; i < batch.row_count; i++)
            *values += batch.layouts[batch.rows[i].layout].field_count;
    else
        fprintf(stderr, "not line protocol: %.*s\n", (int)(lines.len < 200 ? lines.len : 200), lines.p);
    silt_arena_destroy(arena);
    return good;
}

static bool finish_body(struct maker *maker)
{
    struct bodies *bodies = maker->bodies;
    struct silt_buffer packed = {0}, *from = &maker->text;
    struct silt_str text = {maker->text.p, maker->text.len};
    bool good = true;

    if (maker->plan->file)
        good = count_values(text, &bodies->values);
    if (maker->plan->form == BODY_PROMETHEUS)
        remote_write_body(text, from = &packed);
    else if (maker->plan->form == BODY_GZIP)
        good &= pack(text, from = &packed);
    if (bodies->count == maker->capacity) {
        maker->capacity = 2 * maker->capacity + 64;
        bodies->at = silt_realloc(bodies->at, maker->capacity * sizeof(*bodies->at));
    }
    struct body *body = &bodies->at[bodies->count++];
    *body = (struct body){.p = silt_malloc(from->len), .len = from->len, .rows = maker->rows};
    memcpy(body->p, from->p, from->len);
    if (maker->plan->again) {
        body->times = silt_malloc(maker->times.len);
        memcpy(body->times, maker->times.p, maker->times.len);
    }
    bodies->rows += maker->rows;
    bodies->bytes += from->len;
    silt_buffer_free(&packed);
    maker->text.len = maker->times.len = maker->rows = 0;
    return good;
}

/* A row was put behind the text. */
static bool row_made(struct maker *maker)
{
    uint32_t time = (uint32_t)(maker->text.len - 1 - TIME_DIGITS);

    if (maker->plan->again)
        silt_buffer_append(&maker->times, &time, sizeof(time));
    return ++maker->rows < maker->plan->batch || finish_body(maker);
}

static bool make_from_file(struct maker *maker)
{
    gzFile file = gzopen(maker->plan->file, "rb"); /* reads plain files too */
    char *line = silt_malloc(FILE_LINE_BYTES_MAX);
    bool good = file != NULL;

    if (!good)
        perror(maker->plan->file);
    while (good && gzgets(file, line, FILE_LINE_BYTES_MAX)) {
        size_t len = strlen(line);
        if (len > 1 && line[0] != '#') {
            silt_buffer_append(&maker->text, line, len);
            if (line[len - 1] != '\n')
                silt_buffer_char(&maker->text, '\n');
            good = row_made(maker);
        }
    }
    if (file && gzclose(file) != Z_OK) {
        fprintf(stderr, "%s cannot be read to its end\n", maker->plan->file);
        good = false;
    }
    free(line);
    return good;
}

static bool make_from_workload(struct maker *maker, struct workload *load)
{
    for (uint32_t step = 0; step < load->steps; step++)
        for (uint32_t host = 0; host < load->hosts; host++) {
            if (maker->plan->sparse && step && host % 10)
                continue;
            workload_row(load, step, host, &maker->text);
            if (!row_made(maker))
                return false;
        }
    return true;
}

bool bodies_make(struct bodies *bodies, const struct bodies_plan *plan, struct workload *load)
{
    struct maker maker = {.bodies = bodies, .plan = plan};

    *bodies = (struct bodies){.lap_ns = (int64_t)load->steps * load->step_ns};
    bool good = plan->file ? make_from_file(&maker) : make_from_workload(&maker, load);
    good = good && (!maker.rows || finish_body(&maker));
    if (!plan->file)
        bodies->values = bodies->rows * workload_fields(load->kind);
    silt_buffer_free(&maker.text);
    silt_buffer_free(&maker.times);
    return good;
}

void bodies_advance(const struct bodies *bodies, struct body *body)
{
    for (uint32_t row = 0; row < body->rows; row++) {
        char *at = body->p + body->times[row], text[SILT_NUMBER_TEXT_MAX];
        int64_t time = 0;
        for (int i = 0; i < TIME_DIGITS; i++)
            time = time * 10 + (at[i] - '0');
        silt_assert(silt_write_int(text, time + bodies->lap_ns) == TIME_DIGITS);
        memcpy(at, text, TIME_DIGITS);
    }
}

void bodies_free(struct bodies *bodies)
{
    for (size_t i = 0; i < bodies->count; i++) {
        free(bodies->at[i].p);
        free(bodies->at[i].times);
    }
    free(bodies->at);
    *bodies = (struct bodies){0};
}
