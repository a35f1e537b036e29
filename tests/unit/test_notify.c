/*
 * test_notify.c - what systemd would hear: messages to a socket of this test's, and a watchdog that is not fed when it should not be.
 */
#include "server/notify.h"
#include "silt/text.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listener = -1;
static char folder[] = "/tmp/silt-notify-XXXXXX", path[64];
static _Atomic bool alive;
static _Atomic unsigned asked;

/* A socket as systemd's: at a path, or abstract. Messages that do not come are noticed after a while. */
static void listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 20};
    size_t len = strlen(name);

    memcpy(address.sun_path, name, len);
    if (*name == '@')
        address.sun_path[0] = '\0';
    listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*name == '/'))),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
}

static const char *next_message(int flags)
{
    static char text[1024];
    ssize_t len = recv(listener, text, sizeof(text) - 1, flags);

    text[len > 0 ? len : 0] = '\0';
    return text;
}

static bool is_alive(const void *arg, uint64_t within_ns)
{
    ck_assert_ptr_eq(arg, &listener);
    ck_assert_uint_eq(within_ns, 30 * 1000000);
    atomic_fetch_add(&asked, 1);
    return atomic_load(&alive);
}

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void teardown(void)
{
    if (listener >= 0)
        close(listener);
    unlink(path);
    rmdir(folder);
}

START_TEST(nobody_asks)
{
    ck_assert_ptr_null(notify_open());
    setenv("NOTIFY_SOCKET", "", 1);
    ck_assert_ptr_null(notify_open());
    setenv("NOTIFY_SOCKET", "relative", 1);
    ck_assert_ptr_null(notify_open());
    char name[200];
    memset(name, 'x', sizeof(name));
    name[0] = '/';
    name[sizeof(name) - 1] = '\0';
    setenv("NOTIFY_SOCKET", name, 1);
    ck_assert_ptr_null(notify_open());
    notify_send(NULL, "READY=1");
    notify_watch(NULL, is_alive, &listener);
    notify_unwatch(NULL);
    notify_close(NULL);
}
END_TEST

START_TEST(messages)
{
    char abstract[64];
    snprintf(abstract, sizeof(abstract), "@silt-notify-%d", (int)getpid());
    listen_at(_i ? abstract : path);
    struct notify *notify = notify_open();
    ck_assert_ptr_nonnull(notify);
    notify_send(notify, "READY=1\nSTATUS=listening on %s", "127.0.0.1:8086");
    ck_assert_str_eq(next_message(0), "READY=1\nSTATUS=listening on 127.0.0.1:8086");
    notify_send(notify, "STATUS=%0600d", 7);
    ck_assert_uint_eq(strlen(next_message(0)), 511);
    notify_close(notify);
}
END_TEST

START_TEST(nobody_listens)
{
    setenv("NOTIFY_SOCKET", path, 1);
    struct notify *notify = notify_open();
    ck_assert_ptr_nonnull(notify);
    notify_send(notify, "READY=1");
    notify_send(notify, "READY=1");
    notify_close(notify);
}
END_TEST

START_TEST(watchdog)
{
    char pid[16];
    listen_at(path);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "60000", 1);
    atomic_store(&alive, true);
    struct notify *notify = notify_open();
    notify_watch(notify, is_alive, &listener);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_str_eq(next_message(0), "WATCHDOG=1");
    atomic_store(&alive, false);
    for (unsigned from = atomic_load(&asked); atomic_load(&asked) < from + 2;)
        usleep(1000);
    while (*next_message(MSG_DONTWAIT)) /* what was under way */
        continue;
    for (unsigned from = atomic_load(&asked); atomic_load(&asked) < from + 3;)
        usleep(1000);
    ck_assert_str_eq(next_message(MSG_DONTWAIT), "");
    atomic_store(&alive, true);
    ck_assert_str_eq(next_message(0), "WATCHDOG=1");
    notify_unwatch(notify);
    unsigned at_end = atomic_load(&asked);
    usleep(100000);
    ck_assert_uint_eq(atomic_load(&asked), at_end);
    notify_close(notify);
}
END_TEST

START_TEST(watchdog_of_somebody_else)
{
    static const char *const pids[] = {"1", NULL, NULL}, *const times[] = {"60000", "6x", "0"};
    listen_at(path);
    if (pids[_i])
        setenv("WATCHDOG_PID", pids[_i], 1);
    setenv("WATCHDOG_USEC", times[_i], 1);
    struct notify *notify = notify_open();
    notify_watch(notify, is_alive, &listener);
    notify_close(notify);
    ck_assert_uint_eq(atomic_load(&asked), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify");
    TCase *tcase = tcase_create("notify");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, nobody_asks);
    tcase_add_loop_test(tcase, messages, 0, 2);
    tcase_add_test(tcase, nobody_listens);
    tcase_add_test(tcase, watchdog);
    tcase_add_loop_test(tcase, watchdog_of_somebody_else, 0, 3);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
