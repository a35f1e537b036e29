/*
 * error.c - status names, filling an error, and the end of the road for broken promises.
 */
#include "silt/base.h"

#include <errno.h>
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

enum silt_status silt_fail(struct silt_error *err, enum silt_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        err->status = status;
        err->sys_errno = 0;
        va_start(args, format);
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
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
