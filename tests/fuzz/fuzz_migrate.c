/*
 * fuzz_migrate.c - what `silt migrate` reads: the old server's MessagePack in pieces, and its own journal. The first byte tells which,
 * and how long the pieces are.
 */
#include "shell/journal.h"
#include "shell/json_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void row(void *context, const struct cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) /* how many there ought to be, who reads them looks */
        silt_assert(cells[i].kind < CELL_INTEGER || cells[i].text.len == 8);
}

static void answer(struct silt_str text, size_t piece_bytes)
{
    static const struct answer_events events = {.row = row};
    struct answer_reader *reader = answer_reader_create(&events, NULL);

    for (size_t at = 0; at < text.len; at += piece_bytes)
        if (!answer_reader_feed_msgpack(reader, text.p + at, text.len - at < piece_bytes ? text.len - at : piece_bytes))
            break;
    answer_reader_destroy(reader);
}

static void record(void *context, const struct silt_str *fields, size_t count)
{
    silt_assert(count > 0 && count <= JOURNAL_FIELDS_MAX);
    ++*(unsigned *)context;
}

static char path[] = "/tmp/fuzz-journal-XXXXXX";

static void remove_file(void)
{
    unlink(path);
}

/* What was read is there again; what was cut off is not. */
static void journal(struct silt_str text)
{
    static int fd = -1;
    unsigned count = 0, again = 0;
    struct journal *opened;
    struct silt_error err;

    if (fd < 0) {
        fd = mkstemp(path);
        atexit(remove_file);
    }
    silt_assert(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, text.p, text.len, 0) == (ssize_t)text.len);
    for (int i = 0; i < 2; i++) {
        if (journal_open(&opened, path, record, i ? &again : &count, &err) != SILT_OK)
            return;
        journal_close(opened);
    }
    silt_assert(count == again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct silt_str text = {(const char *)data + 1, size - 1};
    if (data[0] % 8 == 0)
        journal(text);
    else
        answer(text, 1u + data[0]);
    return 0;
}
