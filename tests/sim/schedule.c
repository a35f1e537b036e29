/*
 * schedule.c - see schedule.h. Locks are what the zeroed bytes of pthread's own mean: nobody has them.
 *
 * Who has to wait notes what for; whoever gives that up makes all its waiters ready, and each looks again. There are some ten
 * threads at most, so they are found by looking at all.
 */
#include "tests/sim/schedule.h"

#include "silt/base.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_BYTES ((size_t)512 << 10)
#define CLOCK_STEP_NS 300 /* a look at the clock takes so long */
#define EARLY_ONE_IN 512  /* a waiting time is over although others could go on: they are slow */
#define STALL_ONE_IN 32   /* whoever gives up its turn gets none for a while */
#define STALL_TURNS 300

enum { THREADS_MAX = 64 };
enum thread_state { THREAD_FREE, THREAD_READY, THREAD_WAITING, THREAD_ENDED };

struct thread {
    ucontext_t context;
    enum thread_state state;
    const void *waits_for; /* a lock, a condition, a thread */
    bool wants_write;      /* waits for a lock that has readers */
    bool timed, timed_out;
    uint64_t until_ns;
    unsigned stalled; /* turns for which others come first */
    char *stack; /* kept for the next in this place */
    void *(*run)(void *arg);
    void *arg, *result;
};

struct mutex { /* in a pthread_mutex_t */
    struct thread *owner;
};
struct rwlock { /* in a pthread_rwlock_t */
    struct thread *writer;
    unsigned readers;
};
_Static_assert(sizeof(struct mutex) <= sizeof(pthread_mutex_t), "a mutex has room");
_Static_assert(sizeof(struct rwlock) <= sizeof(pthread_rwlock_t), "a lock has room");

static struct thread threads[THREADS_MAX] = {{.state = THREAD_READY}}; /* the first is main */
static struct thread *current = threads;
static unsigned thread_count = 1; /* places used in this run */
static uint64_t now_ns = 1000000000, seed_state = 1;
static unsigned one_in_now;

#ifdef __SANITIZE_ADDRESS__
static const void *main_stack; /* known after the first turn */
static size_t main_stack_bytes;
#endif

int __real_clock_gettime(clockid_t clock, struct timespec *at);

/* ---------------------------------------------------------------- turns */

static uint64_t draw(void)
{
    seed_state ^= seed_state << 13;
    seed_state ^= seed_state >> 7;
    seed_state ^= seed_state << 17;
    return seed_state * 0x2545f4914f6cdd1du >> 20;
}

void schedule_seed(uint64_t seed, unsigned one_in)
{
    seed_state = seed * 0x9e3779b97f4a7c15u | 1;
    one_in_now = one_in;
    now_ns = 1000000000;
    for (unsigned i = 1; i < thread_count; i++)
        silt_assert(threads[i].state == THREAD_FREE);
    thread_count = 1; /* what earlier runs left must not matter */
    threads[0].stalled = 0;
}

unsigned schedule_one_in(unsigned one_in)
{
    unsigned before = one_in_now;
    one_in_now = one_in;
    return before;
}

uint64_t schedule_real_ns(void)
{
    struct timespec at;
    __real_clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static struct thread *first_timed(void)
{
    struct thread *first = NULL;
    for (unsigned i = 0; i < thread_count; i++)
        if (threads[i].state == THREAD_WAITING && threads[i].timed && (!first || threads[i].until_ns < first->until_ns))
            first = &threads[i];
    return first;
}

static void end_wait(struct thread *thread)
{
    if (thread->until_ns > now_ns)
        now_ns = thread->until_ns;
    thread->state = THREAD_READY;
    thread->timed_out = true;
}

static struct thread *choose(void)
{
    struct thread *ready[THREADS_MAX], *timed;
    unsigned count = 0, stalled = 0;
    for (unsigned i = 0; i < thread_count; i++) {
        struct thread *thread = &threads[i];
        if (thread->stalled)
            thread->stalled--;
        if (thread->state == THREAD_READY)
            ready[count++] = thread;
        stalled += thread->state == THREAD_READY && thread->stalled > 0;
    }
    if (stalled < count) { /* somebody else can go on */
        unsigned kept = 0;
        for (unsigned i = 0; i < count; i++)
            if (!ready[i]->stalled)
                ready[kept++] = ready[i];
        count = kept;
    }
    if (count && draw() % EARLY_ONE_IN == 0 && (timed = first_timed())) {
        end_wait(timed);
        return timed;
    }
    if (count)
        return ready[count == 1 ? 0 : draw() % count];
    if ((timed = first_timed())) {
        end_wait(timed);
        return timed;
    }
    fprintf(stderr, "deadlock: all threads wait for each other\n");
    abort();
}

static void switch_to(struct thread *next)
{
    struct thread *from = current;
    if (next == from)
        return;
    current = next;
#ifdef __SANITIZE_ADDRESS__
    void *fake = NULL;
    __sanitizer_start_switch_fiber(from->state == THREAD_ENDED ? NULL : &fake, next->stack ? next->stack : main_stack,
                                   next->stack ? STACK_BYTES : main_stack_bytes);
#endif
    swapcontext(&from->context, &next->context);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

static void maybe_turn(void)
{
    if (!one_in_now || draw() % one_in_now != 0)
        return;
    if (draw() % STALL_ONE_IN == 0)
        current->stalled = (unsigned)(draw() % STALL_TURNS);
    switch_to(choose());
}

/* Until somebody wakes it or the time has come; false: it has. */
static bool wait_for(const void *what, bool timed, uint64_t until_ns)
{
    current->state = THREAD_WAITING;
    current->waits_for = what;
    current->timed = timed;
    current->timed_out = false;
    current->until_ns = until_ns;
    switch_to(choose());
    current->waits_for = NULL;
    return !current->timed_out;
}

static void wake(const void *what, bool all)
{
    unsigned start = all ? 0 : (unsigned)(draw() % thread_count);
    for (unsigned i = 0; i < thread_count; i++) {
        struct thread *thread = &threads[(start + i) % thread_count];
        if (thread->state != THREAD_WAITING || thread->waits_for != what)
            continue;
        thread->state = THREAD_READY;
        if (!all)
            return;
    }
}

void schedule_sleep(uint64_t ns)
{
    wait_for(NULL, true, now_ns + ns);
}

/* ---------------------------------------------------------------- threads */

static void begin(void)
{
#ifdef __SANITIZE_ADDRESS__
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(NULL, &bottom, &bytes);
    if (!main_stack) { /* nobody else had a turn before */
        main_stack = bottom;
        main_stack_bytes = bytes;
    }
#endif
    struct thread *self = current;
    self->result = self->run(self->arg);
    self->state = THREAD_ENDED;
    wake(self, true);
    switch_to(choose());
    silt_assert(false); /* nobody chooses who has ended */
}

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *arg), void *arg)
{
    (void)attributes;
    unsigned i = 1;
    while (i < thread_count && threads[i].state != THREAD_FREE)
        i++;
    silt_assert(i < THREADS_MAX);
    if (i == thread_count)
        thread_count++;
    struct thread *thread = &threads[i];
    if (!thread->stack) {
        thread->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        silt_assert(thread->stack != MAP_FAILED);
        silt_assert(mprotect(thread->stack, 4096, PROT_NONE) == 0); /* it ends here */
    }
    thread->run = run;
    thread->arg = arg;
    thread->stalled = 0;
    getcontext(&thread->context);
    thread->context.uc_stack.ss_sp = thread->stack;
    thread->context.uc_stack.ss_size = STACK_BYTES;
    thread->context.uc_link = NULL;
    makecontext(&thread->context, begin, 0);
    thread->state = THREAD_READY;
    *out = (pthread_t)(uintptr_t)thread;
    maybe_turn();
    return 0;
}

int __wrap_pthread_join(pthread_t which, void **result)
{
    struct thread *thread = (struct thread *)(uintptr_t)which;
    while (thread->state != THREAD_ENDED)
        wait_for(thread, false, 0);
    if (result)
        *result = thread->result;
    thread->state = THREAD_FREE;
    return 0;
}

/* ---------------------------------------------------------------- locks */

int __wrap_pthread_mutex_init(pthread_mutex_t *raw, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    memset(raw, 0, sizeof(*raw));
    return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *raw)
{
    silt_assert(!((struct mutex *)raw)->owner);
    return 0;
}

static void take(struct mutex *mutex)
{
    silt_assert(mutex->owner != current); /* it would wait for itself */
    while (mutex->owner)
        wait_for(mutex, false, 0);
    mutex->owner = current;
}

static void give(struct mutex *mutex)
{
    silt_assert(mutex->owner == current);
    mutex->owner = NULL;
    wake(mutex, true);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *raw)
{
    maybe_turn();
    take((struct mutex *)raw);
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *raw)
{
    give((struct mutex *)raw);
    maybe_turn();
    return 0;
}

int __wrap_pthread_rwlock_init(pthread_rwlock_t *raw, const pthread_rwlockattr_t *attributes)
{
    (void)attributes;
    memset(raw, 0, sizeof(*raw));
    return 0;
}

int __wrap_pthread_rwlock_destroy(pthread_rwlock_t *raw)
{
    struct rwlock *lock = (struct rwlock *)raw;
    silt_assert(!lock->writer && !lock->readers);
    return 0;
}

static bool writer_waits(const struct rwlock *lock)
{
    for (unsigned i = 0; i < thread_count; i++)
        if (threads[i].state == THREAD_WAITING && threads[i].waits_for == lock && threads[i].wants_write)
            return true;
    return false;
}

/* Writers first, as the store asks for: who reads twice in one thread may meet one in between. */
int __wrap_pthread_rwlock_rdlock(pthread_rwlock_t *raw)
{
    struct rwlock *lock = (struct rwlock *)raw;
    maybe_turn();
    silt_assert(lock->writer != current);
    while (lock->writer || writer_waits(lock))
        wait_for(lock, false, 0);
    lock->readers++;
    return 0;
}

int __wrap_pthread_rwlock_tryrdlock(pthread_rwlock_t *raw)
{
    struct rwlock *lock = (struct rwlock *)raw;
    maybe_turn();
    if (lock->writer || writer_waits(lock))
        return EBUSY;
    lock->readers++;
    return 0;
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *raw)
{
    struct rwlock *lock = (struct rwlock *)raw;
    maybe_turn();
    silt_assert(lock->writer != current);
    while (lock->writer || lock->readers) {
        current->wants_write = true;
        wait_for(lock, false, 0);
        current->wants_write = false;
    }
    lock->writer = current;
    return 0;
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *raw)
{
    struct rwlock *lock = (struct rwlock *)raw;
    if (lock->writer == current) {
        lock->writer = NULL;
    } else {
        silt_assert(lock->readers > 0);
        lock->readers--;
    }
    wake(lock, true);
    maybe_turn();
    return 0;
}

/* ---------------------------------------------------------------- conditions */

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
    (void)attributes;
    memset(cond, 0, sizeof(*cond));
    return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *cond)
{
    (void)cond;
    return 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    give((struct mutex *)mutex);
    wait_for(cond, false, 0);
    take((struct mutex *)mutex);
    return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    give((struct mutex *)mutex);
    bool woken = wait_for(cond, true, (uint64_t)until->tv_sec * 1000000000u + (uint64_t)until->tv_nsec);
    take((struct mutex *)mutex);
    return woken ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
    wake(cond, false);
    maybe_turn();
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
    wake(cond, true);
    maybe_turn();
    return 0;
}

/* ---------------------------------------------------------------- time */

int __wrap_clock_gettime(clockid_t clock, struct timespec *at)
{
    (void)clock;
    now_ns += CLOCK_STEP_NS;
    *at = (struct timespec){(time_t)(now_ns / 1000000000u), (long)(now_ns % 1000000000u)};
    return 0;
}

int __wrap_usleep(useconds_t us)
{
    schedule_sleep((uint64_t)us * 1000);
    return 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    schedule_sleep((uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec);
    return 0;
}

/* Whoever spins waits for another: that one has to have its turn. */
int __wrap_sched_yield(void)
{
    schedule_sleep(CLOCK_STEP_NS);
    return 0;
}
