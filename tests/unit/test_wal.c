/*
 * test_wal.c - the log: order, group commit, recycling, torn tails at every byte, crashes at every operation.
 */
#include "silt/text.h"
#include "storage/wal.h"
#include "storage/wal_segment.h"
#include "tests/fault_vfs.h"
#include "tests/run_suite.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SMALL_SEGMENT 4096

struct seen {
    uint64_t next_seq, count;
    uint64_t last_value;
};

/* What append put behind the value. By hand: each ck_assert is a system call. */
static void check_filling(const unsigned char *payload, size_t bytes, uint64_t value)
{
    for (size_t i = 8; i < bytes; i++)
        if (payload[i] != (unsigned char)(value + i))
            ck_abort_msg("byte %zu is %u, not %u", i, payload[i], (unsigned char)(value + i));
}

static enum silt_status see(void *arg, uint64_t seq, uint8_t kind, const void *payload, size_t bytes,
                            struct silt_error *err)
{
    struct seen *seen = arg;
    uint64_t value;
    (void)err;
    ck_assert_uint_ge(bytes, 8);
    memcpy(&value, payload, 8);
    ck_assert_uint_eq(kind, value & 255);
    check_filling(payload, bytes, value);
    if (seen->next_seq)
        ck_assert_uint_eq(seq, seen->next_seq);
    seen->next_seq = seq + 1;
    seen->count++;
    seen->last_value = value;
    return SILT_OK;
}

static struct wal *open_wal(struct vfs *vfs, enum silt_sync_mode mode, struct seen *seen, uint64_t from)
{
    struct wal_options options = {.sync_mode = mode, .sync_interval_ms = 1, .epoch = 3, .segment_bytes = SMALL_SEGMENT};
    struct wal *wal = NULL;
    struct silt_error err = {0};
    if (wal_open(vfs, &options, &wal, &err) != SILT_OK)
        return NULL;
    if (wal_replay(wal, from, see, seen, &err) != SILT_OK || wal_start(wal, 1, &err) != SILT_OK) {
        wal_close(wal);
        return NULL;
    }
    return wal;
}

/* An entry that is waited for, on the heap: where the disk stalls it the waiter goes away before. */
struct waiter {
    struct wal_entry entry;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool finished, stalled, left; /* left: nobody waits */
    enum silt_status status;
    unsigned char payload[];
};

static void finish_waiter(struct wal_entry *entry, enum silt_status status, const struct silt_error *err)
{
    struct waiter *waiter = (struct waiter *)entry;
    (void)err;
    pthread_mutex_lock(&waiter->lock);
    waiter->finished = true;
    waiter->status = status;
    bool left = waiter->left;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
    if (left)
        free(waiter);
}

static void stall_waiter(struct wal_entry *entry, const struct silt_error *err)
{
    struct waiter *waiter = (struct waiter *)entry;
    pthread_mutex_lock(&waiter->lock);
    waiter->stalled = true;
    waiter->status = err->status;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

static enum silt_status append_wait(struct wal *wal, uint8_t kind, const void *payload, size_t bytes, uint64_t *seq)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter) + bytes);
    pthread_mutex_init(&waiter->lock, NULL);
    pthread_cond_init(&waiter->changed, NULL);
    memcpy(waiter->payload, payload, bytes);
    waiter->entry = (struct wal_entry){.kind = kind, .payload = waiter->payload, .payload_bytes = bytes, .done = finish_waiter,
                                       .stalled = stall_waiter};
    wal_lock(wal);
    uint64_t given = wal_enqueue_locked(wal, &waiter->entry);
    wal_unlock(wal);
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->finished && !waiter->stalled)
        pthread_cond_wait(&waiter->changed, &waiter->lock);
    enum silt_status status = waiter->status;
    bool finished = waiter->finished;
    waiter->left = true;
    pthread_mutex_unlock(&waiter->lock);
    if (finished)
        free(waiter);
    if (seq)
        *seq = given;
    return status;
}

/* Payload: the value, then bytes that follow from it. */
static enum silt_status append(struct wal *wal, uint64_t value, size_t bytes, uint64_t *seq)
{
    unsigned char payload[20000];
    memcpy(payload, &value, 8);
    for (size_t i = 8; i < bytes; i++)
        payload[i] = (unsigned char)(value + i);
    return append_wait(wal, (uint8_t)(value & 255), payload, bytes, seq);
}

START_TEST(records_come_back_in_order)
{
    struct vfs *vfs = fault_vfs_create(1);
    struct seen seen = {0};
    struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_ptr_nonnull(wal);
    ck_assert_uint_eq(seen.count, 0);
    for (uint64_t i = 1; i <= 500; i++) {
        uint64_t seq;
        ck_assert_int_eq(append(wal, i, 8 + (i * 37) % 3000, &seq), SILT_OK);
        ck_assert_uint_eq(seq, i);
    }
    ck_assert_int_eq(append(wal, 501, 15000, NULL), SILT_OK); /* larger than a segment */
    ck_assert_int_eq(append(wal, 502, 8, NULL), SILT_OK);
    wal_close(wal);
    fault_vfs_restart(vfs);
    wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_ptr_nonnull(wal);
    ck_assert_uint_eq(seen.count, 502);
    ck_assert_uint_eq(seen.next_seq, 503);
    wal_close(wal);
    seen = (struct seen){0};
    wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 400);
    ck_assert_ptr_nonnull(wal);
    ck_assert_uint_eq(seen.count, 103);
    wal_close(wal);
    fault_vfs_destroy(vfs);
}
END_TEST

START_TEST(trimmed_segments_are_recycled_and_never_read_again)
{
    struct vfs *vfs = fault_vfs_create(2);
    struct seen seen = {0};
    struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    struct wal_stats stats;
    for (uint64_t i = 1; i <= 3000; i++) {
        ck_assert_int_eq(append(wal, i, 200, NULL), SILT_OK);
        wal_trim(wal, i > 50 ? i - 50 : 1);
    }
    wal_stats(wal, &stats);
    ck_assert_uint_le(stats.bytes, 12 * SMALL_SEGMENT);
    ck_assert_uint_le(stats.oldest_seq, 2951);
    ck_assert_uint_gt(stats.oldest_seq, 2800);
    wal_close(wal);
    wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 2951);
    ck_assert_ptr_nonnull(wal);
    ck_assert_uint_eq(seen.count, 50);
    ck_assert_uint_eq(seen.last_value, 3000);
    wal_close(wal);
    fault_vfs_destroy(vfs);
}
END_TEST

START_TEST(a_crash_at_any_operation_loses_nothing_acknowledged)
{
    for (uint64_t nth = 1;; nth++) {
        struct vfs *vfs = fault_vfs_create(nth);
        struct seen seen = {0};
        uint64_t acked = 0, tried = 0;
        fault_vfs_crash_at(vfs, nth);
        struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
        if (wal) {
            for (uint64_t i = 1; i <= 60; i++) {
                tried = i;
                if (append(wal, i, 8 + i * 13, NULL) != SILT_OK)
                    break;
                acked = i;
                wal_trim(wal, i > 40 ? i - 40 : 1);
            }
            wal_close(wal);
        }
        bool crashed = fault_vfs_crashed(vfs);
        fault_vfs_restart(vfs);
        seen = (struct seen){0};
        wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, acked > 40 ? acked - 39 : 1);
        if (!wal)
            ck_abort_msg("crash at operation %llu: the log does not open", (unsigned long long)nth);
        uint64_t last = seen.count ? seen.last_value : 0;
        if (last < acked || last > tried)
            ck_abort_msg("crash at operation %llu: %llu acknowledged, %llu there", (unsigned long long)nth,
                         (unsigned long long)acked, (unsigned long long)last);
        /* And it goes on from there. */
        ck_assert_int_eq(append(wal, last + 1, 100, NULL), SILT_OK);
        wal_close(wal);
        fault_vfs_restart(vfs);
        seen = (struct seen){0};
        wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, last + 1);
        ck_assert_ptr_nonnull(wal);
        ck_assert_uint_eq(seen.last_value, last + 1);
        wal_close(wal);
        fault_vfs_destroy(vfs);
        if (!crashed)
            break;
    }
}
END_TEST

#define FIRST_SEGMENT "wal/0000000000000001.wal"

static void read_all(struct vfs *vfs, const char *name, unsigned char *bytes, size_t len)
{
    struct vfs_segment *segment;
    struct silt_error err;
    size_t got;
    ck_assert_int_eq(vfs_segment_open(vfs, name, &segment, &err), SILT_OK);
    ck_assert_int_eq(vfs_segment_read(segment, 0, bytes, len, &got, &err), SILT_OK);
    ck_assert_uint_eq(got, len);
    vfs_segment_close(segment);
}

/* The records before the first one that the cut has changed; none when it has changed the header. */
static uint64_t whole_records(const unsigned char *was, const unsigned char *is, uint64_t records)
{
    size_t at = sizeof(struct wal_segment_header);
    uint64_t count = 0;
    if (memcmp(was, is, at) != 0)
        return 0;
    while (count < records) {
        struct wal_record_header header;
        memcpy(&header, was + at, sizeof(header));
        if (memcmp(was + at, is + at, sizeof(header) + header.payload_bytes) != 0)
            break;
        at += wal_record_bytes(header.payload_bytes);
        count++;
    }
    return count;
}

START_TEST(a_tail_torn_at_any_byte_is_cut_at_the_last_whole_record)
{
    enum { RECORDS = 9 };
    unsigned char was[SMALL_SEGMENT], is[SMALL_SEGMENT];
    struct seen seen = {0};
    struct vfs *vfs = fault_vfs_create(1);
    struct wal *wal = open_wal(vfs, SILT_SYNC_OFF, &seen, 0); /* without syncs any tail may be torn off */
    for (uint64_t i = 1; i <= RECORDS; i++)
        ck_assert_int_eq(append(wal, i, 8 + i * 5, NULL), SILT_OK);
    wal_close(wal);
    read_all(vfs, FIRST_SEGMENT, was, sizeof(was));
    fault_vfs_destroy(vfs);
    size_t end = sizeof(struct wal_segment_header);
    for (uint64_t i = 1; i <= RECORDS; i++)
        end += wal_record_bytes(8 + i * 5);
    for (size_t cut = 0; cut <= end; cut++) {
        for (int fill = 0; fill <= (cut % 4 ? 0 : 0xff); fill += 0xff) { /* zeros, or other bytes now and then */
            struct vfs_segment *segment;
            struct silt_error err;
            memcpy(is, was, sizeof(is));
            memset(is + cut, fill, sizeof(is) - cut);
            uint64_t whole = whole_records(was, is, RECORDS);
            vfs = fault_vfs_create(1);
            ck_assert_int_eq(vfs_segment_create(vfs, FIRST_SEGMENT, sizeof(is), NULL, &segment, &err), SILT_OK);
            ck_assert_int_eq(vfs_segment_write(segment, 0, is, sizeof(is), &err), SILT_OK);
            ck_assert_int_eq(vfs_segment_sync(segment, &err), SILT_OK);
            vfs_segment_close(segment);
            seen = (struct seen){0};
            wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
            if (!wal || seen.count != whole)
                ck_abort_msg("cut at %zu, filled with %d: %llu of %llu whole records", cut, fill,
                             (unsigned long long)seen.count, (unsigned long long)whole);
            ck_assert_int_eq(append(wal, 77, 100, NULL), SILT_OK);
            wal_close(wal);
            seen = (struct seen){0};
            wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
            ck_assert_ptr_nonnull(wal);
            ck_assert_uint_eq(seen.count, whole + 1);
            ck_assert_uint_eq(seen.last_value, 77);
            wal_close(wal);
            fault_vfs_destroy(vfs);
        }
    }
}
END_TEST

START_TEST(a_damaged_header_over_records_is_damage)
{
    for (uint64_t offset = 0; offset < sizeof(struct wal_segment_header) - 4; offset++) {
        struct vfs *vfs = fault_vfs_create(5);
        struct seen seen = {0};
        struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
        struct wal_options options = {.epoch = 3, .segment_bytes = SMALL_SEGMENT};
        struct silt_error err;
        unsigned char bytes[SMALL_SEGMENT];
        ck_assert_int_eq(append(wal, 1, 24, NULL), SILT_OK);
        wal_close(wal);
        ck_assert(fault_vfs_flip(vfs, FIRST_SEGMENT, offset, offset % 8));
        ck_assert_int_eq(wal_open(vfs, &options, &wal, &err), SILT_OK);
        ck_assert_int_eq(wal_replay(wal, 0, see, &seen, &err), SILT_CORRUPT);
        ck_assert_ptr_nonnull(strstr(err.text, FIRST_SEGMENT ": damaged header"));
        wal_close(wal);
        read_all(vfs, FIRST_SEGMENT, bytes, sizeof(bytes)); /* and it is still there */
        fault_vfs_destroy(vfs);
    }
}
END_TEST

static _Atomic uint64_t done_count;

static void free_entry(struct wal_entry *entry, enum silt_status status, const struct silt_error *err)
{
    (void)err;
    ck_assert_int_eq(status, SILT_OK);
    done_count++;
    free(entry);
}

START_TEST(closing_writes_a_queue_of_many_segments)
{
    static const unsigned char payload[3000];
    struct vfs *vfs = fault_vfs_create(8);
    struct seen seen = {0};
    struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    done_count = 0;
    for (int i = 0; i < 500; i++) {
        struct wal_entry *entry = calloc(1, sizeof(*entry));
        entry->payload = payload;
        entry->payload_bytes = 8;
        if (i % 3)
            entry->payload_bytes = 2900;
        entry->done = free_entry;
        wal_lock(wal);
        wal_enqueue_locked(wal, entry);
        wal_unlock(wal);
    }
    wal_close(wal);
    ck_assert_uint_eq(done_count, 500);
    fault_vfs_destroy(vfs);
}
END_TEST

START_TEST(segments_of_large_records_are_removed_not_recycled)
{
    struct vfs *vfs = fault_vfs_create(9);
    struct seen seen = {0};
    struct wal_stats stats;
    struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    for (uint64_t i = 1; i <= 400; i++) {
        ck_assert_int_eq(append(wal, i, i % 20 == 10 ? 15000 : 1500, NULL), SILT_OK);
        wal_trim(wal, i);
    }
    wal_stats(wal, &stats);
    ck_assert_uint_le(stats.bytes, 8 * SMALL_SEGMENT);
    ck_assert_uint_gt(stats.oldest_seq, 390);
    wal_close(wal);
    wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 400);
    ck_assert_ptr_nonnull(wal);
    ck_assert_uint_eq(seen.count, 1);
    wal_close(wal);
    fault_vfs_destroy(vfs);
}
END_TEST

/* ---------------------------------------------------------------- many lives */

#define LIVES 12
#define SIM_RECORDS 2000

struct sim {
    uint64_t random;
    uint64_t values[SIM_RECORDS + 1]; /* by seq: what was enqueued last under that number */
    uint64_t enqueued, needed; /* highest seq; lowest that must not be trimmed */
    _Atomic uint64_t acked;
    uint64_t seen_next, seen_last;
};

struct sim_entry {
    struct wal_entry entry;
    struct sim *sim;
    unsigned char payload[];
};

static uint64_t sim_random(struct sim *sim)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return sim->random;
}

static void sim_done(struct wal_entry *entry, enum silt_status status, const struct silt_error *err)
{
    struct sim_entry *it = (struct sim_entry *)entry;
    (void)err;
    if (status == SILT_OK)
        it->sim->acked = entry->seq;
    free(it);
}

static enum silt_status sim_see(void *arg, uint64_t seq, uint8_t kind, const void *payload, size_t bytes,
                                struct silt_error *err)
{
    struct sim *sim = arg;
    uint64_t value;
    (void)err;
    if (bytes < 8 || seq > sim->enqueued)
        ck_abort_msg("record %llu of %zu bytes, behind the last", (unsigned long long)seq, bytes);
    memcpy(&value, payload, 8);
    if (value != sim->values[seq] || kind != (value & 255))
        ck_abort_msg("record %llu is another's", (unsigned long long)seq);
    check_filling(payload, bytes, value);
    if (sim->seen_next ? seq != sim->seen_next : seq > sim->needed)
        ck_abort_msg("record %llu where %llu is next, %llu needed", (unsigned long long)seq, (unsigned long long)sim->seen_next,
                     (unsigned long long)sim->needed);
    sim->seen_next = seq + 1;
    sim->seen_last = seq;
    return SILT_OK;
}

static void sim_enqueue(struct sim *sim, struct wal *wal)
{
    size_t bytes = 8 + sim_random(sim) % (sim_random(sim) % 40 == 0 ? 12000 : 700);
    struct sim_entry *it = malloc(sizeof(*it) + bytes);
    uint64_t value = sim_random(sim);
    memcpy(it->payload, &value, 8);
    for (size_t i = 8; i < bytes; i++)
        it->payload[i] = (unsigned char)(value + i);
    it->sim = sim;
    it->entry = (struct wal_entry){.kind = (uint8_t)value, .payload = it->payload, .payload_bytes = bytes, .done = sim_done};
    wal_lock(wal);
    sim->enqueued = wal_next_seq_locked(wal);
    sim->values[sim->enqueued] = value;
    wal_enqueue_locked(wal, &it->entry);
    wal_unlock(wal);
}

/* One start, some work, one end: clean, killed, power cut, or an operation that fails. Whatever the log has shown to a
 * replay and gone on from counts as acknowledged. */
static void sim_live(struct sim *sim, struct vfs *vfs, uint64_t seed, unsigned life)
{
    struct wal_options options = {.epoch = 3, .segment_bytes = SMALL_SEGMENT, .spare_segments = 2};
    struct silt_error err = {0};
    struct wal *wal;
    bool early = sim_random(sim) % 4 == 0;
    if (early)
        fault_vfs_crash_at(vfs, 1 + sim_random(sim) % 8);
    sim->seen_next = sim->seen_last = 0;
    if (wal_open(vfs, &options, &wal, &err) == SILT_OK) {
        enum silt_status rc = wal_replay(wal, sim->needed, sim_see, sim, &err);
        if (rc == SILT_OK && sim->seen_last < sim->acked && sim->acked >= sim->needed)
            ck_abort_msg("seed %llu, life %u: %llu acknowledged, %llu there", (unsigned long long)seed, life,
                         (unsigned long long)sim->acked, (unsigned long long)sim->seen_last);
        if (rc == SILT_OK)
            rc = wal_start(wal, sim->acked + 1, &err);
        if (rc == SILT_OK) {
            if (sim->seen_last > sim->acked)
                sim->acked = sim->seen_last;
            if (!early && sim_random(sim) % 3 == 0)
                fault_vfs_fail_at(vfs, 1 + sim_random(sim) % 40, sim_random(sim) & 1 ? SILT_NO_SPACE : SILT_IO);
            else if (!early)
                fault_vfs_crash_at(vfs, 1 + sim_random(sim) % 60);
            uint64_t work = sim_random(sim) % 120;
            for (uint64_t i = 0; i < work && sim->enqueued < SIM_RECORDS; i++) {
                sim_enqueue(sim, wal);
                if (sim_random(sim) % 4 == 0)
                    usleep(50);
                if (sim_random(sim) % 3 == 0 && sim->acked > sim->needed) {
                    sim->needed += sim_random(sim) % (sim->acked - sim->needed + 1);
                    wal_trim(wal, sim->needed);
                }
            }
        } else if (!fault_vfs_crashed(vfs)) {
            ck_abort_msg("seed %llu, life %u: the log does not open: %s", (unsigned long long)seed, life, err.text);
        }
        wal_close(wal);
    }
    if (sim_random(sim) & 1)
        fault_vfs_revive(vfs);
    else
        fault_vfs_restart(vfs);
}

START_TEST(many_lives_lose_nothing_acknowledged)
{
    const char *given = getenv("SILT_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1, last = given ? first : 80;
    for (uint64_t seed = first; seed <= last; seed++) {
        struct vfs *vfs = fault_vfs_create(seed);
        struct sim *sim = calloc(1, sizeof(*sim));
        sim->random = seed * 0x9e3779b97f4a7c15u;
        sim->needed = 1;
        for (unsigned life = 0; life < LIVES; life++)
            sim_live(sim, vfs, seed, life);
        free(sim);
        fault_vfs_destroy(vfs);
    }
}
END_TEST

START_TEST(flipped_bits_before_the_end_are_damage)
{
    unsigned found = 0;
    for (uint64_t offset = 48; offset < 48 + 10 * 64; offset += 3) {
        struct vfs *vfs = fault_vfs_create(5);
        struct seen seen = {0};
        struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
        for (uint64_t i = 1; i <= 20; i++)
            ck_assert_int_eq(append(wal, i, 24, NULL), SILT_OK);
        wal_close(wal);
        ck_assert(fault_vfs_flip(vfs, "wal/0000000000000001.wal", offset, offset % 8));
        seen = (struct seen){0};
        struct wal_options options = {.epoch = 3, .segment_bytes = SMALL_SEGMENT};
        struct silt_error err;
        ck_assert_int_eq(wal_open(vfs, &options, &wal, &err), SILT_OK);
        enum silt_status rc = wal_replay(wal, 0, see, &seen, &err);
        ck_assert_int_eq(rc, SILT_CORRUPT);
        ck_assert_ptr_nonnull(strstr(err.text, "wal/0000000000000001.wal"));
        found++;
        wal_close(wal);
        fault_vfs_destroy(vfs);
    }
    ck_assert_uint_gt(found, 200);
}
END_TEST

struct told_entry {
    struct wal_entry entry;
    uint64_t value;
    _Atomic int stalls, done; /* done: 1 + the status */
};

static void note_stalled(struct wal_entry *entry, const struct silt_error *err)
{
    struct told_entry *told = (struct told_entry *)entry;
    ck_assert(err->status == SILT_NO_SPACE || err->status == SILT_IO);
    atomic_fetch_add(&told->stalls, 1);
}

static void note_done(struct wal_entry *entry, enum silt_status status, const struct silt_error *err)
{
    (void)err;
    atomic_store(&((struct told_entry *)entry)->done, 1 + (int)status);
}

static void queue_told(struct wal *wal, struct told_entry *told, uint64_t value)
{
    told->value = value;
    told->entry = (struct wal_entry){.kind = (uint8_t)value, .payload = &told->value, .payload_bytes = 8,
                                     .done = note_done, .stalled = note_stalled};
    wal_lock(wal);
    wal_enqueue_locked(wal, &told->entry);
    wal_unlock(wal);
}

static bool comes(_Atomic int *what, int value)
{
    for (int i = 0; i < 10000 && atomic_load(what) != value; i++)
        usleep(1000);
    return atomic_load(what) == value;
}

START_TEST(a_full_disk_stalls_and_room_goes_on)
{
    enum { ROUNDS = 3, QUEUED = 300 };
    struct vfs *vfs = fault_vfs_create(10);
    struct seen seen = {0};
    struct silt_error err;
    struct told_entry *told = calloc(QUEUED, sizeof(*told));
    struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    uint64_t value = 0;
    for (int round = 0; round < ROUNDS; round++) {
        ck_assert_int_eq(append(wal, ++value, 100, NULL), SILT_OK);
        fault_vfs_full(vfs, true);
        memset(told, 0, QUEUED * sizeof(*told));
        for (int i = 0; i < QUEUED; i++) /* of several segments, and some come while it waits */
            queue_told(wal, &told[i], ++value);
        ck_assert(comes(&told[QUEUED - 1].stalls, 1));
        ck_assert_int_eq(wal_check(wal, &err), SILT_NO_SPACE);
        ck_assert_ptr_nonnull(strstr(err.text, "the disk is full"));
        for (int i = 0; i < QUEUED; i++) {
            ck_assert_int_eq(atomic_load(&told[i].done), 0);
            ck_assert_int_le(atomic_load(&told[i].stalls), 1);
        }
        fault_vfs_full(vfs, false);
        ck_assert(comes(&told[QUEUED - 1].done, 1 + SILT_OK));
        for (int i = 0; i < QUEUED; i++) {
            ck_assert_int_eq(atomic_load(&told[i].done), 1 + SILT_OK);
            ck_assert_int_le(atomic_load(&told[i].stalls), 1);
        }
        ck_assert_int_eq(wal_check(wal, &err), SILT_OK);
    }
    wal_close(wal);
    wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_ptr_nonnull(wal);
    ck_assert_uint_eq(seen.count, value);
    wal_close(wal);
    fault_vfs_destroy(vfs);
    free(told);
}
END_TEST

/* Any of the operations that a few records and new segments take; what is queued meanwhile is told once, and is there afterwards,
 * once, whatever of it was in the segment that was left. */
START_TEST(an_operation_that_fails_is_got_over)
{
    enum { QUEUED = 40 };
    static const enum silt_sync_mode modes[] = {SILT_SYNC_FSYNC, SILT_SYNC_INTERVAL};
    struct told_entry *told = calloc(QUEUED, sizeof(*told));
    unsigned refused = 0;
    for (uint64_t n = 1; n <= 60; n++) {
        struct vfs *vfs = fault_vfs_create(100 + n);
        struct seen seen = {0};
        struct silt_error err;
        struct wal *wal = open_wal(vfs, modes[n & 1], &seen, 0);
        uint64_t value = 0;
        for (int i = 0; i < 5; i++)
            ck_assert_int_eq(append(wal, ++value, 100, NULL), SILT_OK);
        memset(told, 0, QUEUED * sizeof(*told));
        fault_vfs_fail_at(vfs, n, n % 3 ? SILT_IO : SILT_NO_SPACE);
        for (int i = 0; i < QUEUED; i++) {
            queue_told(wal, &told[i], ++value);
            if (i % 8 == 7)
                append(wal, ++value, 900, NULL);
        }
        ck_assert(comes(&told[QUEUED - 1].done, 1 + SILT_OK));
        while (append(wal, ++value, 100, NULL) != SILT_OK) /* it may be this one's operation */
                usleep(1000);
        ck_assert_int_eq(wal_check(wal, &err), SILT_OK);
        for (int i = 0; i < QUEUED; i++) {
            ck_assert_int_eq(atomic_load(&told[i].done), 1 + SILT_OK);
            ck_assert_int_le(atomic_load(&told[i].stalls), 1);
            refused += (unsigned)atomic_load(&told[i].stalls);
        }
        wal_close(wal);
        fault_vfs_fail_at(vfs, 0, SILT_OK);
        if (n & 1) /* what was acknowledged without a sync is left to the disk: here it has kept it */
            fault_vfs_revive(vfs);
        else
            fault_vfs_restart(vfs);
        wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
        ck_assert_ptr_nonnull(wal);
        ck_assert_uint_eq(seen.count, value);
        ck_assert_uint_eq(seen.next_seq, value + 1);
        wal_close(wal);
        fault_vfs_destroy(vfs);
    }
    ck_assert_uint_gt(refused, 0);
    free(told);
}
END_TEST

static enum silt_status no_sync(struct vfs_segment *segment, struct silt_error *err)
{
    (void)segment;
    return silt_fail_errno(err, EIO, "fdatasync");
}

/* Syncs that fail for a while: refused with the reason and nothing is acknowledged, then all of it is written again elsewhere. */
START_TEST(failing_syncs_refuse_and_are_got_over)
{
    struct vfs *vfs = fault_vfs_create(12);
    const struct vfs_ops *whole = vfs->ops;
    struct vfs_ops failing = *whole;
    struct seen seen = {0};
    struct silt_error err;
    struct told_entry told[20] = {0};
    struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_int_eq(append(wal, 1, 100, NULL), SILT_OK);
    failing.segment_sync = no_sync;
    vfs->ops = &failing;
    for (uint64_t i = 0; i < 20; i++)
        queue_told(wal, &told[i], 2 + i);
    ck_assert(comes(&told[19].stalls, 1));
    usleep(20000);
    ck_assert_int_eq(wal_check(wal, &err), SILT_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "the disk fails, writes are refused until it can be written: fdatasync"));
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(atomic_load(&told[i].done), 0);
    vfs->ops = whole;
    ck_assert(comes(&told[19].done, 1 + SILT_OK));
    ck_assert_int_eq(append(wal, 22, 100, NULL), SILT_OK);
    ck_assert_int_eq(wal_check(wal, &err), SILT_OK);
    wal_close(wal);
    fault_vfs_restart(vfs);
    wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_ptr_nonnull(wal);
    ck_assert_uint_eq(seen.count, 22);
    wal_close(wal);
    fault_vfs_destroy(vfs);
}
END_TEST

START_TEST(a_start_without_room_waits_for_it)
{
    struct vfs *vfs = fault_vfs_create(13);
    struct seen seen = {0};
    struct silt_error err;
    struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_int_eq(append(wal, 1, 100, NULL), SILT_OK);
    wal_close(wal);
    fault_vfs_full(vfs, true);
    seen = (struct seen){0};
    wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_ptr_nonnull(wal);
    ck_assert_uint_eq(seen.count, 1);
    ck_assert_int_eq(wal_check(wal, &err), SILT_NO_SPACE);
    struct told_entry told = {0};
    queue_told(wal, &told, 2);
    ck_assert(comes(&told.stalls, 1));
    fault_vfs_full(vfs, false);
    ck_assert(comes(&told.done, 1 + SILT_OK));
    ck_assert_int_eq(append(wal, 3, 100, NULL), SILT_OK);
    wal_close(wal);
    fault_vfs_full(vfs, true);
    seen = (struct seen){0};
    wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_ptr_nonnull(wal);
    ck_assert_uint_eq(seen.count, 3);
    fault_vfs_full(vfs, false); /* and nobody writes */
    for (int i = 0; i < 10000 && wal_check(wal, &err) != SILT_OK; i++)
        usleep(1000);
    ck_assert_int_eq(wal_check(wal, &err), SILT_OK);
    wal_close(wal);
    fault_vfs_destroy(vfs);
}
END_TEST

START_TEST(a_log_without_room_closes)
{
    struct vfs *vfs = fault_vfs_create(11);
    struct seen seen = {0};
    struct told_entry told[2] = {0};
    struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_int_eq(append(wal, 1, 100, NULL), SILT_OK);
    fault_vfs_full(vfs, true);
    queue_told(wal, &told[0], 2);
    ck_assert(comes(&told[0].stalls, 1));
    queue_told(wal, &told[1], 3);
    wal_close(wal);
    ck_assert_int_eq(told[0].done, 1 + SILT_NO_SPACE);
    ck_assert_int_eq(told[1].done, 1 + SILT_NO_SPACE);
    fault_vfs_full(vfs, false);
    wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_ptr_nonnull(wal);
    ck_assert_uint_ge(seen.count, 1);
    wal_close(wal);
    fault_vfs_destroy(vfs);
}
END_TEST

struct writer {
    struct wal *wal;
    pthread_t thread;
};

static void *write_many(void *arg)
{
    struct writer *writer = arg;
    for (uint64_t i = 0; i < 300; i++)
        ck_assert_int_eq(append(writer->wal, i, 64, NULL), SILT_OK);
    return NULL;
}

START_TEST(many_writers_share_syncs)
{
    char folder[] = "/tmp/silt-wal-XXXXXX";
    struct vfs *vfs;
    struct silt_error err;
    struct seen seen = {0};
    struct writer writers[8];
    struct wal_stats stats;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(vfs_posix_open(folder, &vfs, &err), SILT_OK);
    struct wal *wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    for (int i = 0; i < 8; i++) {
        writers[i].wal = wal;
        pthread_create(&writers[i].thread, NULL, write_many, &writers[i]);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(writers[i].thread, NULL);
    wal_stats(wal, &stats);
    ck_assert_uint_eq(stats.entries, 2400);
    ck_assert_uint_le(stats.syncs, 2400);
    ck_assert_uint_eq(stats.queued_bytes, 0);
    wal_close(wal);
    wal = open_wal(vfs, SILT_SYNC_FSYNC, &seen, 0);
    ck_assert_uint_eq(seen.count, 2400);
    wal_close(wal);
    ck_assert_int_eq(vfs->ops->remove_folder(vfs, "wal", &err), SILT_OK);
    vfs_close(vfs);
    char lock[64];
    snprintf(lock, sizeof(lock), "%s/LOCK", folder);
    unlink(lock);
    rmdir(folder);
}
END_TEST

START_TEST(interval_and_off_modes_keep_what_a_clean_close_wrote)
{
    for (int mode = SILT_SYNC_INTERVAL; mode <= SILT_SYNC_OFF; mode++) {
        struct vfs *vfs = fault_vfs_create(9);
        struct seen seen = {0};
        struct wal *wal = open_wal(vfs, (enum silt_sync_mode)mode, &seen, 0);
        for (uint64_t i = 1; i <= 100; i++)
            ck_assert_int_eq(append(wal, i, 300, NULL), SILT_OK);
        wal_close(wal);
        wal = open_wal(vfs, (enum silt_sync_mode)mode, &seen, 0);
        ck_assert_ptr_nonnull(wal);
        ck_assert_uint_eq(seen.count, 100);
        wal_close(wal);
        fault_vfs_destroy(vfs);
    }
}
END_TEST

int main(void)
{
    silt_log_set_level(SILT_LOG_ERROR + 1); /* the failures here are on purpose */
    Suite *suite = suite_create("wal");
    TCase *tcase = tcase_create("wal");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, records_come_back_in_order);
    tcase_add_test(tcase, trimmed_segments_are_recycled_and_never_read_again);
    tcase_add_test(tcase, a_crash_at_any_operation_loses_nothing_acknowledged);
    tcase_add_test(tcase, a_tail_torn_at_any_byte_is_cut_at_the_last_whole_record);
    tcase_add_test(tcase, a_damaged_header_over_records_is_damage);
    tcase_add_test(tcase, closing_writes_a_queue_of_many_segments);
    tcase_add_test(tcase, segments_of_large_records_are_removed_not_recycled);
    tcase_add_test(tcase, many_lives_lose_nothing_acknowledged);
    tcase_add_test(tcase, flipped_bits_before_the_end_are_damage);
    tcase_add_test(tcase, an_operation_that_fails_is_got_over);
    tcase_add_test(tcase, failing_syncs_refuse_and_are_got_over);
    tcase_add_test(tcase, a_start_without_room_waits_for_it);
    tcase_add_test(tcase, a_full_disk_stalls_and_room_goes_on);
    tcase_add_test(tcase, a_log_without_room_closes);
    tcase_add_test(tcase, many_writers_share_syncs);
    tcase_add_test(tcase, interval_and_off_modes_keep_what_a_clean_close_wrote);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
