/*
 * descriptors.c - implements descriptors.h.
 */
#include "server/descriptors.h"

#include "silt/text.h"

#include <errno.h>
#include <sys/resource.h>

#define RESERVE 512
#define TOLD_NS ((uint64_t)60 * 1000000000)

enum silt_status descriptors_prepare(const struct silt_server_options *options, struct silt_error *err)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)options->connections_max + RESERVE;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return silt_fail_errno(err, errno, "getrlimit");
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < wanted)
        return silt_fail(err, SILT_LIMIT,
                         "http.max-connections: %llu connections need %llu open files, but only %llu are allowed",
                         (unsigned long long)options->connections_max, (unsigned long long)wanted,
                         (unsigned long long)limit.rlim_cur);
    return SILT_OK;
}

bool descriptors_are_short(int error)
{
    static _Atomic uint64_t told_ns;

    if (error != EMFILE && error != ENFILE && error != ENOMEM && error != ENOBUFS)
        return false;
    uint64_t now = silt_clock_monotonic_ns(), before = atomic_load(&told_ns);
    if ((before == 0 || now - before > TOLD_NS) && atomic_compare_exchange_strong(&told_ns, &before, now))
        silt_log(SILT_LOG_ERROR, "connections have to wait: none can be accepted", "error=\"%s\"", strerror(error));
    return true;
}
