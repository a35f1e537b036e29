/*
 * login_throttle.c - see login_throttle.h.
 */
#include "server/login_throttle.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>

#define PLACES 1024
#define FREE_FAILURES 5
#define STEP_MS 100
#define FORGOTTEN_NS 60000000000ull
#define WAITING_TURNS 16 /* of the longest kind */
#define NS_PER_MS 1000000ull

struct login_throttle {
    uint64_t seed; /* nobody outside knows who shares a place */
    pthread_mutex_t lock; /* guards this group: */
    struct {
        unsigned failures;
        uint64_t failed_ns, next_ns;
    } places[PLACES];
};

struct login_throttle *login_throttle_create(uint64_t seed)
{
    struct login_throttle *throttle = silt_calloc(1, sizeof(*throttle));

    throttle->seed = seed;
    pthread_mutex_init(&throttle->lock, NULL);
    return throttle;
}

void login_throttle_destroy(struct login_throttle *throttle)
{
    if (!throttle)
        return;
    pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

unsigned login_throttle_place(const struct login_throttle *throttle, const struct sockaddr_storage *address)
{
    uint64_t key = 0;

    if (address->ss_family == AF_INET) {
        key = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
    } else if (address->ss_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(v6))
            memcpy(&key, v6->s6_addr + 12, 4);
        else
            memcpy(&key, v6->s6_addr, 8);
    }
    key = (key ^ throttle->seed) * 0x9E3779B97F4A7C15ull;
    key = (key ^ key >> 32) * 0xD6E8FEB86659FD93ull;
    return (unsigned)(key >> 40) % PLACES;
}

static uint64_t step_ns(unsigned failures, uint64_t limit_ms)
{
    unsigned doublings = failures - FREE_FAILURES - 1;
    uint64_t ms = doublings < 20 ? (uint64_t)STEP_MS << doublings : limit_ms;

    return (ms < limit_ms ? ms : limit_ms) * NS_PER_MS;
}

bool login_throttle_turn(struct login_throttle *throttle, unsigned place, uint64_t limit_ms, uint64_t now_ns,
                         uint64_t *due_ns)
{
    bool granted = true;

    *due_ns = now_ns;
    pthread_mutex_lock(&throttle->lock);
    if (now_ns - throttle->places[place].failed_ns > FORGOTTEN_NS)
        throttle->places[place].failures = 0;
    if (throttle->places[place].failures > FREE_FAILURES && limit_ms) {
        uint64_t next = throttle->places[place].next_ns;
        if (next > now_ns)
            *due_ns = next;
        granted = *due_ns - now_ns <= WAITING_TURNS * limit_ms * NS_PER_MS;
        if (granted)
            throttle->places[place].next_ns = *due_ns + step_ns(throttle->places[place].failures, limit_ms);
    }
    pthread_mutex_unlock(&throttle->lock);
    return granted;
}

void login_throttle_failed(struct login_throttle *throttle, unsigned place, uint64_t now_ns)
{
    pthread_mutex_lock(&throttle->lock);
    throttle->places[place].failed_ns = now_ns;
    if (throttle->places[place].failures < UINT32_MAX)
        throttle->places[place].failures++;
    pthread_mutex_unlock(&throttle->lock);
}
