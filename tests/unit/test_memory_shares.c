/*
 * test_memory_shares.c - what the process may take, from files of control groups, and how the server shares it out.
 */
#include "server/memory_shares.h"
#include "silt/machine.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define GIB ((uint64_t)1 << 30)

static char folder[] = "/tmp/silt-groups-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (char *slash = path + sizeof(folder); (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static size_t memory_of(const char *groups)
{
    char path[300], mount[300];
    put("cgroup", groups);
    snprintf(path, sizeof(path), "%s/cgroup", folder);
    snprintf(mount, sizeof(mount), "%s/fs", folder);
    return silt_group_memory(path, mount, 24 * GIB);
}

START_TEST(control_groups)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    put("fs/system.slice/siltd.service/memory.max", "max\n");
    put("fs/system.slice/memory.max", "4294967296\n");
    put("fs/other/memory.max", "1000000\n");
    put("fs/memory/docker/a/memory.limit_in_bytes", "9223372036854771712\n");
    put("fs/memory/docker/memory.limit_in_bytes", "2147483648\n");
    ck_assert_uint_eq(memory_of("0::/system.slice/siltd.service\n"), 4 * GIB); /* from the group above */
    ck_assert_uint_eq(memory_of("0::/elsewhere\n"), 24 * GIB);
    ck_assert_uint_eq(memory_of("3:cpu,cpuacct:/other\n4:memory:/docker/a\n"), 2 * GIB);
    ck_assert_uint_eq(memory_of("4:hugetlb,memory:/docker/a\n0::/other\n"), 1000000);
    ck_assert_uint_eq(memory_of("5:memory2:/docker/a\nnonsense\n6:\n"), 24 * GIB);
    put("fs/memory.max", "3221225472\n"); /* a container's own root */
    ck_assert_uint_eq(memory_of("0::/../../not/here\n"), 3 * GIB);
    ck_assert_uint_eq(silt_group_memory("/nonexistent", "/nonexistent", 7), 7);
    ck_assert_uint_gt(silt_machine_memory(), 64 << 20);
    char command[100];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(shares_fit_together)
{
    static const uint64_t machines[] = {0, GIB / 2, GIB, 4 * GIB, 24 * GIB, 1024 * GIB};
    struct silt_server_options options = {.memory_bytes = 4 * GIB, .write_memory_bytes = 4 * GIB};
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        struct memory_shares shares = memory_shares_of(&options, machines[i]);
        uint64_t sum = shares.index + shares.memtable_hard + shares.queries + shares.writes;
        ck_assert_uint_le(sum, machines[i] < GIB / 2 ? GIB / 4 : machines[i] / 100 * 85);
        ck_assert_uint_gt(shares.memtable_soft, 0);
        ck_assert_uint_lt(shares.memtable_soft, shares.memtable_hard);
        ck_assert_uint_le(shares.queries, 4 * GIB);
    }
}
END_TEST

START_TEST(settings_come_first)
{
    struct silt_server_options options = {.max_memory_bytes = 10 * GIB, .memory_bytes = GIB, .index_bytes_max = 9 * GIB,
                                          .memtable_soft_bytes = 5 * GIB};
    struct memory_shares shares = memory_shares_of(&options, 4 * GIB);
    ck_assert_uint_eq(shares.index, 9 * GIB);
    ck_assert_uint_eq(shares.queries, GIB);
    ck_assert_uint_eq(shares.writes, 10 * GIB / 100 * 8);
    ck_assert_uint_eq(shares.memtable_soft, 5 * GIB);
    ck_assert_uint_eq(shares.memtable_hard, 10 * GIB);
    options.memtable_soft_bytes = 0;
    options.memtable_hard_bytes = 1000;
    options.memory_bytes = 0; /* no bound of its own */
    shares = memory_shares_of(&options, 4 * GIB);
    ck_assert_uint_eq(shares.memtable_soft, 500);
    ck_assert_uint_eq(shares.memtable_hard, 1000);
    ck_assert_uint_eq(shares.queries, 10 * GIB / 100 * 12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory shares");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, control_groups);
    tcase_add_test(tcase, shares_fit_together);
    tcase_add_test(tcase, settings_come_first);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
