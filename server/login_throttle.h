/*
 * login_throttle.h - log-ins slowed down where others failed: when may the next one from an address be tried?
 *
 *     failures in a row   1 to 5   6        7        8   ...   a minute without one: forgotten
 *     between two tries   -        100 ms   200 ms   400 ms    up to the limit
 *
 * Tries of one address take turns, however many connections they come on. An IPv6 address counts by its first half. The
 * table is small and of fixed size; addresses that fall on the same place share a fate.
 *
 * Threads: any.
 */
#ifndef SERVER_LOGIN_THROTTLE_H
#define SERVER_LOGIN_THROTTLE_H

#include "silt/base.h"

#include <sys/socket.h>

struct login_throttle;

struct login_throttle *login_throttle_create(uint64_t seed);
void login_throttle_destroy(struct login_throttle *throttle); /* NULL is fine */

unsigned login_throttle_place(const struct login_throttle *throttle, const struct sockaddr_storage *address);
/* The moment of the next try, which is the caller's; now_ns: at once. false: too many wait already. */
bool login_throttle_turn(struct login_throttle *throttle, unsigned place, uint64_t limit_ms, uint64_t now_ns,
                         uint64_t *due_ns);
void login_throttle_failed(struct login_throttle *throttle, unsigned place, uint64_t now_ns);

#endif
