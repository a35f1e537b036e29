/*
 * normalise.c - database and policy filled in wherever a SELECT names a measurement without them.
 *
 *     SELECT mean(v) INTO x FROM /c/          ->  SELECT mean(v) INTO d.autogen.x FROM d.autogen./c/
 *
 * A continuous query is kept as such a text: it means the same whoever runs it, and when another policy becomes the
 * default. SELECT ... INTO is carried out, and spoken of, in this form.
 */
#include "query/exec.h"

struct defaults {
    struct exec *exec;
    struct silt_str database, rp;
};

static enum silt_status fill_source(const struct defaults *defaults, struct source *source, struct silt_error *err)
{
    struct silt_source *from = defaults->exec->options->source;
    struct silt_str policy;

    if (source->database.len == 0)
        source->database = defaults->database;
    if (source->database.len == 0)
        return silt_fail(err, SILT_INVALID, "database name required");
    enum silt_status rc = from->default_policy(from, source->database, defaults->exec->arena, &policy, err);
    if (rc == SILT_OK && source->rp.len == 0)
        source->rp = defaults->rp.len ? defaults->rp : policy;
    return rc;
}

static enum silt_status check_policy(const struct defaults *defaults, struct source *source, struct silt_error *err)
{
    struct silt_source *from = defaults->exec->options->source;
    struct silt_policy *policies;
    size_t count;
    enum silt_status rc = from->policies(from, source->database, defaults->exec->arena, &policies, &count, err);

    for (size_t i = 0; rc == SILT_OK && i < count; i++)
        if (silt_str_equal(policies[i].name, source->rp))
            return SILT_OK;
    return rc != SILT_OK ? rc
                         : silt_fail(err, SILT_NOT_FOUND, "retention policy not found: %.*s.%.*s",
                                     SILT_FMT(source->database), SILT_FMT(source->rp));
}

typedef enum silt_status (*source_fn)(const struct defaults *defaults, struct source *source, struct silt_error *err);

/* The target first, then what it comes from: the order decides which of several errors is told. */
static enum silt_status each_source(const struct defaults *defaults, struct select *select, source_fn each,
                                    struct silt_error *err)
{
    enum silt_status rc = select->into ? each(defaults, select->into, err) : SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i < select->source_count; i++) {
        struct source *source = &select->sources[i];
        rc = source->kind == SOURCE_SUBQUERY ? each_source(defaults, source->subquery, each, err)
                                             : each(defaults, source, err);
    }
    return rc;
}

enum silt_status continuous_query_normalise(struct exec *exec, struct continuous_query_statement *query,
                                            struct silt_error *err)
{
    const struct silt_query_options *options = exec->options;
    const struct defaults defaults = {exec, options->database.len ? options->database : query->database, options->rp};
    enum silt_status rc;

    query->select = select_clone(query->select, exec->arena);
    rc = each_source(&defaults, query->select, fill_source, err);
    return rc == SILT_OK ? each_source(&defaults, query->select, check_policy, err) : rc;
}

enum silt_status select_normalise(struct exec *exec, struct select **select, struct silt_error *err)
{
    const struct defaults defaults = {exec, exec->options->database, exec->options->rp};

    *select = select_clone(*select, exec->arena);
    return each_source(&defaults, *select, fill_source, err);
}
