/*
 * test_memory_table.c - rows by column against a plain array of cells: types that change, gaps, ranges, both directions.
 */
#include "query/memory_reader.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>

#define ROWS 9000
#define FIELDS 3
#define WIDTH (FIELDS + 1)

static uint64_t state;

static uint32_t next_random(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

static struct silt_cell model[ROWS][WIDTH];

static struct silt_cell random_cell(uint32_t type)
{
    static const char *const texts[] = {"", "a", "two words"};

    switch (type) {
    case 0: return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = next_random(100) / 8.0};
    case 1: return (struct silt_cell){.kind = SILT_CELL_INTEGER, .i64 = (int64_t)next_random(100) - 50};
    case 2: return (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = next_random(2)};
    case 3: return (struct silt_cell){.kind = SILT_CELL_STRING, .string = silt_str_from(texts[next_random(3)])};
    default: return (struct silt_cell){.kind = SILT_CELL_UNSIGNED, .u64 = next_random(100)};
    }
}

/* Blocks of rows as a subquery gives them; a block may leave a field out altogether. */
static size_t fill(struct memory_table *table, uint32_t series)
{
    static const char *const names[FIELDS] = {"x", "y", "z"};
    uint32_t types[FIELDS] = {0, 1, 3};
    size_t rows = 1 + next_random(ROWS);
    struct silt_error err;

    for (size_t done = 0; done < rows;) {
        uint32_t fields[FIELDS];
        size_t count = 1 + next_random(next_random(4) ? 10 : 2500);
        count = count < rows - done ? count : rows - done;
        for (size_t f = 0; f < FIELDS; f++)
            fields[f] = next_random(6) ? memory_table_field(table, silt_str_from(names[f])) : MEMORY_NO_FIELD;
        for (size_t r = done; r < done + count; r++) {
            model[r][0] = (struct silt_cell){.kind = SILT_CELL_TIME, .i64 = (int64_t)(r / 2)};
            for (size_t f = 0; f < FIELDS; f++) {
                if (next_random(500) == 0)
                    types[f] = next_random(5);
                model[r][f + 1] = next_random(20) ? random_cell(types[f]) : (struct silt_cell){0};
            }
        }
        ck_assert_int_eq(memory_table_rows(table, series, 0, model[done], count, WIDTH, fields, &err), SILT_OK);
        for (size_t r = done; r < done + count; r++)
            for (size_t f = 0; f < FIELDS; f++)
                if (fields[f] == MEMORY_NO_FIELD)
                    model[r][f + 1] = (struct silt_cell){0};
        done += count;
    }
    return rows;
}

static bool same(const struct silt_column *column, size_t i, const struct silt_cell *cell)
{
    if (column->type == SILT_TYPE_NONE || (column->valid && !(column->valid[i / 64] >> (i % 64) & 1)))
        return cell->kind == SILT_CELL_NULL;
    switch (column->type) {
    case SILT_TYPE_FLOAT: return cell->kind == SILT_CELL_FLOAT && cell->f64 == column->f64[i];
    case SILT_TYPE_INTEGER: return cell->kind == SILT_CELL_INTEGER && cell->i64 == column->i64[i];
    case SILT_TYPE_UNSIGNED: return cell->kind == SILT_CELL_UNSIGNED && cell->u64 == column->u64[i];
    case SILT_TYPE_BOOLEAN: return cell->kind == SILT_CELL_BOOLEAN && cell->boolean == column->boolean[i];
    default: return cell->kind == SILT_CELL_STRING && silt_str_equal(cell->string, column->string[i]);
    }
}

/* Rows [from, to) of the model, in the cursor's direction. */
static void check_range(struct silt_reader *reader, size_t rows, silt_time min, silt_time max, bool descending)
{
    const struct silt_field fields[FIELDS + 1] = {
        {SILT_STR("x"), SILT_TYPE_NONE}, {SILT_STR("y"), SILT_TYPE_NONE}, {SILT_STR("z"), SILT_TYPE_NONE}, {SILT_STR("host"), SILT_TYPE_NONE}};
    struct silt_cursor *cursor;
    struct silt_rows batch;
    struct silt_error err;
    size_t wrong = 0, seen = 0, expected = 0;

    for (size_t r = 0; r < rows; r++)
        expected += model[r][0].i64 >= min && model[r][0].i64 <= max;
    ck_assert_int_eq(reader->ops->cursor_create(reader, NULL, &cursor, &err), SILT_OK);
    ck_assert_int_eq(reader->ops->cursor_seek(cursor, SILT_STR("m"), 1, fields, FIELDS + 1, min, max, descending, &err), SILT_OK);
    size_t at = descending ? rows : 0;
    for (;;) {
        const silt_time *times;
        struct silt_column columns[FIELDS + 1];
        ck_assert_int_eq(reader->ops->cursor_next(cursor, &batch, &err), SILT_OK);
        if (batch.count == 0)
            break;
        reader->ops->cursor_times(cursor, &times, &err);
        for (size_t f = 0; f <= FIELDS; f++)
            reader->ops->cursor_column(cursor, f, &columns[f], &err);
        ck_assert_int_eq(batch.first, times[0]);
        ck_assert_int_eq(batch.last, times[batch.count - 1]);
        for (size_t i = 0; i < batch.count; i++, seen++) {
            size_t row;
            do
                row = descending ? --at : at++;
            while (model[row][0].i64 < min || model[row][0].i64 > max);
            wrong += times[i] != model[row][0].i64;
            for (size_t f = 0; f < FIELDS; f++)
                wrong += !same(&columns[f], i, &model[row][f + 1]);
            wrong += columns[FIELDS].type != SILT_TYPE_STRING || !silt_str_equal(columns[FIELDS].string[i], SILT_STR("h1"));
        }
    }
    reader->ops->cursor_destroy(cursor);
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(seen, expected);
}

START_TEST(as_an_array_of_cells)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct memory_table *table = memory_table_create(NULL);
        uint32_t series;
        state = seed;
        series = memory_table_series(table, SILT_STR("m"), NULL, 0);
        memory_table_constant(table, series, memory_table_field(table, SILT_STR("host")), SILT_STR("h1"));
        size_t rows = fill(table, series);
        if (seed % 4 == 0) {
            memory_table_reverse(table);
            for (size_t a = 0, b = rows; a + 1 < b; a++)
                for (size_t c = 0, last = --b; c < WIDTH; c++) {
                    struct silt_cell cell = model[a][c];
                    model[a][c] = model[last][c];
                    model[last][c] = cell;
                }
        }
        struct silt_reader *reader = memory_reader_open(table, true, INT64_MIN, INT64_MAX, seed % 3 ? 4096 : 100);
        check_range(reader, rows, SILT_TIME_MIN, SILT_TIME_MAX, false);
        check_range(reader, rows, SILT_TIME_MIN, SILT_TIME_MAX, true);
        for (int i = 0; i < 10; i++) {
            silt_time min = next_random((uint32_t)rows), max = min + next_random(3000);
            check_range(reader, rows, min, max, i % 2);
        }
        reader->ops->release(reader);
    }
}
END_TEST

START_TEST(stops_at_the_budget)
{
    struct silt_budget budget;
    struct silt_error err;
    enum silt_status rc = SILT_OK;
    struct silt_cell row[2] = {{.kind = SILT_CELL_TIME}, {.kind = SILT_CELL_FLOAT, .f64 = 1}};

    silt_budget_init(&budget, "query memory", (size_t)4 << 20, NULL);
    struct memory_table *table = memory_table_create(&budget);
    uint32_t series = memory_table_series(table, SILT_STR("m"), NULL, 0), field = memory_table_field(table, SILT_STR("x"));
    for (size_t i = 0; i < 1000000 && rc == SILT_OK; i++)
        rc = memory_table_rows(table, series, 0, row, 1, 2, &field, &err);
    ck_assert_int_eq(rc, SILT_LIMIT);
    memory_table_destroy(table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory_table");
    TCase *tcase = tcase_create("memory_table");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, as_an_array_of_cells);
    tcase_add_test(tcase, stops_at_the_budget);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
