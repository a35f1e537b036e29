/*
 * base.h - the few shapes that every layer speaks: status and error, views, time, types, budget, arena.
 *
 * Threads: nothing here is shared unless it says so. An arena and an error belong to one thread at a time; a
 * budget may be charged from any thread.
 */
#ifndef SILT_BASE_H
#define SILT_BASE_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* ---------------------------------------------------------------- status and error */

/* clang-format off */
#define SILT_STATUS_LIST(X)                                                                                            \
    X(OK, "ok")                                                                                                        \
    X(INVALID, "invalid")         /* what was asked for makes no sense */                                              \
    X(NOT_FOUND, "not found")                                                                                          \
    X(CONFLICT, "conflict")       /* exists already, or differs from what exists */                                    \
    X(LIMIT, "limit")             /* a bound with a name was reached */                                                \
    X(BUSY, "busy")               /* try again, or from a thread that may wait */                                      \
    X(CANCELLED, "cancelled")     /* the client left, the query was killed, time ran out */                            \
    X(NO_SPACE, "no space")                                                                                            \
    X(IO, "input/output error")                                                                                        \
    X(CORRUPT, "corrupt")         /* bytes at rest are not what was written */                                         \
    X(UNSUPPORTED, "unsupported") /* understood, but not done by this version */
/* clang-format on */

enum silt_status {
#define X(name, text) SILT_##name,
    SILT_STATUS_LIST(X)
#undef X
};

const char *silt_status_name(enum silt_status status);

/* The caller's, always the last argument. text is for people, complete unless a name in it is very long: then
 * silt_error_text has the whole; status is for code to branch on. */
struct silt_error {
    enum silt_status status;
    int sys_errno; /* 0 when no system call was at fault */
    uint64_t whole; /* silt_error_text's; 0: text is complete */
    char text[512];
};

/* Fill err (may be NULL) and return status, so that a failing function reads `return silt_fail(err, ...)`. */
enum silt_status silt_fail(struct silt_error *err, enum silt_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with errno's text appended; SILT_NO_SPACE for ENOSPC and EDQUOT, else SILT_IO. */
enum silt_status silt_fail_errno(struct silt_error *err, int sys_errno, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The text, ended by a NUL, up to a megabyte of it; for what goes to a client or into another error. Valid until this
 * thread fails with a long text again; in another thread than the one that failed, err->text. */
struct silt_str silt_error_text(const struct silt_error *err);

/* A broken promise of our own: prints where and aborts, in release builds too. */
#define silt_assert(condition) ((condition) ? (void)0 : silt_assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void silt_assert_failed(const char *condition, const char *file, int line);

/* ---------------------------------------------------------------- views, time, types */

/* Borrowed bytes, not NUL-terminated. p may be NULL only when len is 0. */
struct silt_str {
    const char *p;
    size_t len;
};

#define SILT_STR(literal) ((struct silt_str){(literal), sizeof(literal) - 1})
/* For printf: "%.*s", SILT_FMT(str). */
#define SILT_FMT(str) (int)(str).len, (str).p

static inline struct silt_str silt_str_from(const char *text)
{
    return (struct silt_str){text, text ? strlen(text) : 0};
}
static inline bool silt_str_equal(struct silt_str a, struct silt_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
int silt_str_compare(struct silt_str a, struct silt_str b); /* bytewise; a prefix sorts first */

/* Nanoseconds since 1970-01-01T00:00:00Z. */
typedef int64_t silt_time;
#define SILT_TIME_MIN (INT64_MIN + 2) /* InfluxDB's bounds of what can be stored */
#define SILT_TIME_MAX (INT64_MAX - 1)

/* A series' number within its database, from 1, never used again. 0 is no series. */
typedef uint32_t silt_series_id;

enum silt_type { /* on disk: never renumber */
    SILT_TYPE_NONE = 0,
    SILT_TYPE_FLOAT = 1,
    SILT_TYPE_INTEGER = 2,
    SILT_TYPE_UNSIGNED = 3,
    SILT_TYPE_STRING = 4,
    SILT_TYPE_BOOLEAN = 5,
};

const char *silt_type_name(enum silt_type type); /* float, integer, unsigned, string, boolean */

/* A field value. Which member holds depends on the field's type; strings are borrowed. */
union silt_value {
    double f64;
    int64_t i64;
    uint64_t u64; /* also: the bits of the others */
    bool boolean;
    const struct silt_bytes *string;
};
_Static_assert(sizeof(union silt_value) == 8, "a value is one machine word");

/* String values are kept behind one pointer, so that every value is 8 bytes. */
struct silt_bytes {
    uint32_t len;
    char p[];
};

static inline struct silt_str silt_bytes_str(const struct silt_bytes *bytes)
{
    return (struct silt_str){bytes->p, bytes->len};
}

/* ---------------------------------------------------------------- clock */

silt_time silt_clock_now(void);        /* wall clock, ns since the epoch, any thread */
uint64_t silt_clock_monotonic_ns(void); /* for measuring and deadlines, any thread */
/* So many ns from now, for pthread_cond_timedwait on what silt_cond_init made: setting the wall clock moves neither. */
struct timespec silt_clock_in(uint64_t ns);
void silt_cond_init(pthread_cond_t *cond);

/* Whether reading mapped bytes of a file waits for no disk: few of them, up to 1 MiB. */
bool silt_memory_resident(const void *at, size_t len);

/* ---------------------------------------------------------------- budget and arena */

/* A bound on memory, shared by whoever is charged to it; charges go up to the parents. Any thread. */
struct silt_budget {
    const char *name; /* for messages: "query memory" */
    _Atomic size_t limit_bytes; /* SIZE_MAX: no bound */
    _Atomic size_t used_bytes;
    _Atomic size_t peak_bytes;
    struct silt_budget *parent; /* NULL at the top */
};

void silt_budget_init(struct silt_budget *budget, const char *name, size_t limit_bytes, struct silt_budget *parent);
void silt_budget_set_limit(struct silt_budget *budget, size_t limit_bytes); /* for charges from now on */
/* SILT_LIMIT, with nothing charged anywhere, when this bound or a parent's would be passed. */
enum silt_status silt_budget_charge(struct silt_budget *budget, size_t bytes, struct silt_error *err);
void silt_budget_release(struct silt_budget *budget, size_t bytes);

/*
 * Bump allocation that dies in one call. Under AddressSanitizer each piece is its own malloc, so that stale use
 * is caught. Not thread-safe.
 */
struct silt_arena;

/* Large memory past malloc's heaps: at least *bytes, which becomes what was given; NULL: the system has none. */
void *silt_block_get(size_t *bytes);
void silt_block_put(void *p, size_t bytes);
/* All that are kept for the next to ask. */
void silt_blocks_give_back(void);

/*
 * To be called now and then, by one thread: if much more of the process' own memory is resident than `lowest`, what is free in
 * it goes back to the system. Gives `lowest` for the next call; 0 for the first one.
 */
size_t silt_memory_give_back(size_t lowest);

struct silt_arena *silt_arena_create(struct silt_budget *budget); /* budget NULL: unbounded */
void silt_arena_destroy(struct silt_arena *arena);                /* NULL is fine */
void silt_arena_reset(struct silt_arena *arena);                  /* frees all pieces but one, keeps the arena */
size_t silt_arena_bytes(const struct silt_arena *arena);          /* charged so far */
struct silt_budget *silt_arena_budget(const struct silt_arena *arena); /* for what is charged beside it; NULL: unbounded */

/* 16-byte aligned, not zeroed. Never NULL: for small bounded sizes; over budget is recorded (see below). */
void *silt_arena_alloc(struct silt_arena *arena, size_t bytes);
/* For sizes that follow from input: NULL when the budget refuses. */
void *silt_arena_try_alloc(struct silt_arena *arena, size_t bytes);
void *silt_arena_zalloc(struct silt_arena *arena, size_t bytes); /* alloc, zeroed */
/* True once silt_arena_alloc went over the budget: the work should end with SILT_LIMIT at its next check. */
bool silt_arena_exceeded(const struct silt_arena *arena);
/* An allocation of so many bytes is not needed any more: a large one is freed, others stay until the end. */
void silt_arena_give_back(struct silt_arena *arena, void *p, size_t bytes);
/* Array growth: returns a piece of at least `count` items holding the old ones; *capacity is updated. */
void *silt_arena_grow(struct silt_arena *arena, void *items, size_t *capacity, size_t count, size_t item_bytes);
struct silt_str silt_arena_str(struct silt_arena *arena, struct silt_str str);            /* copy, NUL-terminated too */
struct silt_str silt_arena_printf(struct silt_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct silt_bytes *silt_arena_bytes_copy(struct silt_arena *arena, struct silt_str str);

/* malloc family that aborts when there is no memory; for small, bounded things outside arenas. */
void *silt_malloc(size_t bytes);
void *silt_calloc(size_t count, size_t bytes);
void *silt_realloc(void *old, size_t bytes);
char *silt_strdup(struct silt_str str);

#endif
