/*
 * counters.h - what the server counts, by module and with InfluxDB's names.
 *
 *     loop 0   [ httpd ... | write ... ]      each loop's own, on cache lines of its own
 *     loop 1   [ httpd ... | write ... ]      whoever shows them adds them up
 *
 * A loop counts on its own thread, once a request or less: no two threads write a counter, so that counting is a load
 * and a store. Any thread may read. To count one thing more, add a line here.
 */
#ifndef SERVER_COUNTERS_H
#define SERVER_COUNTERS_H

#include "silt/base.h"

/* By name, as they are shown. */
#define HTTPD_COUNTERS(X)                                                                                              \
    X(AUTH_FAIL, "authFail")                                                                                           \
    X(CLIENT_ERROR, "clientError")                                                                                     \
    X(PING_REQ, "pingReq")                                                                                             \
    X(POINTS_DROPPED, "pointsWrittenDropped")                                                                          \
    X(POINTS_FAIL, "pointsWrittenFail")                                                                                \
    X(POINTS_OK, "pointsWrittenOK")                                                                                    \
    X(PROM_READ_REQ, "promReadReq")                                                                                    \
    X(PROM_WRITE_REQ, "promWriteReq")                                                                                  \
    X(QUERY_REQ, "queryReq")                                                                                           \
    X(QUERY_NS, "queryReqDurationNs")                                                                                  \
    X(QUERY_BYTES, "queryRespBytes")                                                                                   \
    X(PANICS, "recoveredPanics")                                                                                       \
    X(REQ, "req")                                                                                                      \
    X(REQ_ACTIVE, "reqActive")                                                                                         \
    X(REQ_NS, "reqDurationNs")                                                                                         \
    X(SERVER_ERROR, "serverError")                                                                                     \
    X(STATUS_REQ, "statusReq")                                                                                         \
    X(WRITE_REQ, "writeReq")                                                                                           \
    X(WRITE_ACTIVE, "writeReqActive")                                                                                  \
    X(WRITE_BYTES, "writeReqBytes")                                                                                    \
    X(WRITE_NS, "writeReqDurationNs")

#define WRITE_COUNTERS(X)                                                                                              \
    X(POINT_REQ, "pointReq")                                                                                           \
    X(POINT_REQ_LOCAL, "pointReqLocal")                                                                                \
    X(REQ, "req")                                                                                                      \
    X(SUB_DROP, "subWriteDrop")                                                                                        \
    X(SUB_OK, "subWriteOk")                                                                                            \
    X(DROP, "writeDrop")                                                                                               \
    X(ERROR, "writeError")                                                                                             \
    X(OK, "writeOk")                                                                                                   \
    X(TIMEOUT, "writeTimeout")

enum counter {
#define X(id, name) COUNT_HTTPD_##id,
    HTTPD_COUNTERS(X)
#undef X
#define X(id, name) COUNT_WRITE_##id,
    WRITE_COUNTERS(X)
#undef X
    COUNTERS,
};

#define COUNT_HTTPD_FIRST COUNT_HTTPD_AUTH_FAIL
#define COUNT_WRITE_FIRST COUNT_WRITE_POINT_REQ

struct counters {
    _Alignas(64) _Atomic uint64_t values[COUNTERS];
};

/* On the thread that the counters belong to. */
static inline void count_add(struct counters *counters, enum counter which, uint64_t more)
{
    uint64_t value = atomic_load_explicit(&counters->values[which], memory_order_relaxed);
    atomic_store_explicit(&counters->values[which], value + more, memory_order_relaxed);
}
static inline void count_one(struct counters *counters, enum counter which)
{
    count_add(counters, which, 1);
}
/* For what is active now: may pass below 0 in one loop only when it was counted up in it before. */
static inline void count_less(struct counters *counters, enum counter which)
{
    count_add(counters, which, UINT64_MAX);
}

#endif
