/*
 * sources.c - FROM: readers opened, regexes matched against measurements, schemas fetched.
 *
 * A database and policy is opened once, however many measurements of it are named.
 */
#include "query/plan.h"

#include <stdlib.h>

struct opened {
    struct silt_str database, rp;
    struct silt_reader *reader;
};

static enum silt_status add_reader(struct plan *plan, struct silt_reader *reader)
{
    plan->readers = silt_arena_grow(plan->exec->arena, plan->readers, &plan->reader_capacity, plan->reader_count + 1,
                                    sizeof(*plan->readers));
    plan->readers[plan->reader_count++] = reader;
    return SILT_OK;
}

static enum silt_status add_measurement(struct plan *plan, struct silt_reader *reader, bool in_memory,
                                        struct silt_str name, struct silt_error *err)
{
    struct silt_arena *arena = plan->exec->arena;
    struct plan_source source = {.reader = reader, .in_memory = in_memory, .name = silt_arena_str(arena, name)};
    enum silt_status rc;

    if ((rc = reader->ops->fields(reader, name, arena, &source.fields, &source.field_count, err)) != SILT_OK)
        return rc;
    if ((rc = reader->ops->tag_keys(reader, name, arena, &source.tag_keys, &source.tag_key_count, err)) != SILT_OK)
        return rc;
    plan->sources = silt_arena_grow(arena, plan->sources, &plan->source_capacity, plan->source_count + 1, sizeof(source));
    plan->sources[plan->source_count++] = source;
    return SILT_OK;
}

/* InfluxDB's names for its own schema: can be written, but a regular expression does not find them. */
static bool is_system_name(struct silt_str name)
{
    static const char *const names[] = {"_series", "_measurements", "_tagKeys", "_fieldKeys", "_tags"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (silt_str_equal(name, silt_str_from(names[i])))
            return true;
    return false;
}

static enum silt_status add_matching(struct plan *plan, struct silt_reader *reader, bool in_memory,
                                     const struct silt_regex *regex, struct silt_error *err)
{
    struct silt_str *names;
    size_t count;
    enum silt_status rc = reader->ops->measurements(reader, plan->exec->arena, &names, &count, err);

    for (size_t i = 0; rc == SILT_OK && i < count; i++)
        if (!regex || (silt_regex_match(regex, names[i]) && !is_system_name(names[i])))
            rc = add_measurement(plan, reader, in_memory, names[i], err);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct plan_source *x = a, *y = b;
    return silt_str_compare(x->name, y->name);
}

enum silt_status plan_open_sources(struct plan *plan, struct silt_error *err)
{
    struct exec *exec = plan->exec;
    const struct select *select = plan->compiled->select;
    struct opened *opened = silt_arena_zalloc(exec->arena, (select->source_count + 1) * sizeof(*opened));
    size_t opened_count = 0;
    enum silt_status rc;

    plan->merge_levels = 1;
    for (size_t i = 0; i < select->source_count; i++) {
        const struct source *source = &select->sources[i];
        if (source->kind == SOURCE_SUBQUERY) {
            struct silt_reader *reader;
            if ((rc = subquery_open(exec, plan->compiled->subqueries[i], plan->dimensions, plan->dimension_count, &reader,
                                    err)) != SILT_OK)
                return rc;
            add_reader(plan, reader);
            if ((rc = add_matching(plan, reader, true, NULL, err)) != SILT_OK)
                return rc;
            continue;
        }

        struct silt_str database = source->database.len ? source->database : exec->options->database;
        struct silt_str rp = source->rp.len ? source->rp
                             : source->database.len && !silt_str_equal(source->database, exec->options->database)
                                 ? (struct silt_str){0}
                                 : exec->options->rp;
        struct silt_reader *reader = NULL;
        if (database.len == 0)
            return silt_fail(err, SILT_INVALID, "database name required");
        for (size_t k = 0; k < opened_count && !reader; k++)
            if (silt_str_equal(opened[k].database, database) && silt_str_equal(opened[k].rp, rp))
                reader = opened[k].reader;
        if (!reader) {
            struct silt_source *store = exec->options->source;
            if ((rc = store->open(store, database, rp, plan->scan_min, plan->scan_max, &reader, err)) != SILT_OK)
                return rc;
            add_reader(plan, reader);
            opened[opened_count++] = (struct opened){database, rp, reader};
        }
        if (source->is_regex) {
            plan->merge_levels = 2;
            rc = add_matching(plan, reader, false, exec_regex(exec, source->regex), err);
        } else {
            static const char *const system_names[][2] = {
                {"_series", "SHOW SERIES"},       {"_fieldKeys", "SHOW FIELD KEYS"}, {"_tagKeys", "SHOW TAG KEYS"},
                {"_tags", "SHOW TAG VALUES"},     {"_measurements", "SHOW MEASUREMENTS"},
            };
            for (size_t k = 0; k < sizeof(system_names) / sizeof(system_names[0]); k++)
                if (silt_str_equal(source->name, silt_str_from(system_names[k][0])))
                    return silt_fail(err, SILT_INVALID, "unable to use system source '%s': use %s instead",
                                     system_names[k][0], system_names[k][1]);
            rc = add_measurement(plan, reader, false, source->name, err);
        }
        if (rc != SILT_OK)
            return rc;
    }
    if (plan->source_count > 1)
        qsort(plan->sources, plan->source_count, sizeof(*plan->sources), by_name);
    return SILT_OK;
}
