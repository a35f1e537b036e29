/*
 * error.c - status names, filling an error, and the end of the road for broken promises.
 *
 * Errors lie on stacks, are copied and thrown away: they own no memory. A text that does not fit, because a client's
 * names are in it, is kept whole by the thread instead, under a number that the error has, until the next such.
 */
#include "silt/base.h"

#include "silt/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const status_names[] = {
#define X(name, text) text,
    SILT_STATUS_LIST(X)
#undef X
};

const char *silt_status_name(enum silt_status status)
{
    size_t count = sizeof(status_names) / sizeof(status_names[0]);
    return (size_t)status < count ? status_names[status] : "unknown";
}

const char *silt_type_name(enum silt_type type)
{
    switch (type) {
    case SILT_TYPE_FLOAT:
        return "float";
    case SILT_TYPE_INTEGER:
        return "integer";
    case SILT_TYPE_UNSIGNED:
        return "unsigned";
    case SILT_TYPE_STRING:
        return "string";
    case SILT_TYPE_BOOLEAN:
        return "boolean";
    case SILT_TYPE_NONE:
        break;
    }
    return "unknown";
}

/* ---------------------------------------------------------------- long texts */

#define WHOLE_BYTES_MAX ((size_t)1 << 20)

struct whole {
    uint64_t number;
    size_t len;
    char text[];
};

static pthread_once_t whole_once = PTHREAD_ONCE_INIT;
static pthread_key_t whole_key; /* each thread's last; freed as it ends */
static bool whole_possible;

static void make_whole_key(void)
{
    whole_possible = pthread_key_create(&whole_key, free) == 0;
}

/* Arguments may point into the text before. */
static void keep_whole(struct silt_error *err, size_t len, const char *format, va_list args)
{
    static _Atomic uint64_t numbers;
    pthread_once(&whole_once, make_whole_key);
    if (len > WHOLE_BYTES_MAX)
        len = WHOLE_BYTES_MAX;
    struct whole *whole = whole_possible ? malloc(sizeof(*whole) + len + 1) : NULL;
    if (!whole)
        return;
    vsnprintf(whole->text, len + 1, format, args);
    whole->len = len;
    whole->number = atomic_fetch_add_explicit(&numbers, 1, memory_order_relaxed) + 1;
    struct whole *before = pthread_getspecific(whole_key);
    if (pthread_setspecific(whole_key, whole) != 0) {
        free(whole);
        return;
    }
    free(before);
    err->whole = whole->number;
}

struct silt_str silt_error_text(const struct silt_error *err)
{
    if (err->whole != 0) {
        const struct whole *whole = pthread_getspecific(whole_key);
        if (whole && whole->number == err->whole)
            return (struct silt_str){whole->text, whole->len};
    }
    return silt_str_from(err->text);
}

/* ---------------------------------------------------------------- failing */

enum silt_status silt_fail(struct silt_error *err, enum silt_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        err->status = status;
        err->sys_errno = 0;
        err->whole = 0;
        va_start(args, format);
        int len = vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
        if (len >= (int)sizeof(err->text)) {
            va_start(args, format);
            keep_whole(err, (size_t)len, format, args);
            va_end(args);
        }
    }
    return status;
}

enum silt_status silt_fail_errno(struct silt_error *err, int sys_errno, const char *format, ...)
{
    enum silt_status status = sys_errno == ENOSPC || sys_errno == EDQUOT ? SILT_NO_SPACE : SILT_IO;
    if (err) {
        va_list args;
        err->status = status;
        err->sys_errno = sys_errno;
        err->whole = 0;
        va_start(args, format);
        int len = vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
        if (len >= 0 && (size_t)len < sizeof(err->text)) {
            char reason[128];
            snprintf(err->text + len, sizeof(err->text) - (size_t)len, ": %s",
                     strerror_r(sys_errno, reason, sizeof(reason)));
        }
    }
    return status;
}

_Noreturn void silt_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
