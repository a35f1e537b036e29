/*
 * store_fixture.h - for unit tests: one store, mostly in a folder of its own.
 *
 *     make_folder -> fixture_options -> fixture_open -> ... -> close_store -> fixture_open ... -> remove_folder
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "silt/storage.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];
static struct silt_storage *storage; /* NULL: closed */

static inline void must(enum silt_status rc, const struct silt_error *err)
{
    if (rc != SILT_OK)
        ck_abort_msg("%s", err->text);
}

static inline void make_folder(void)
{
    strcpy(folder, "/tmp/silt-unit-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

/* In the folder; nothing is synced, nothing happens by itself. */
static inline void fixture_options(struct silt_storage_options *options)
{
    silt_storage_options_init(options);
    options->data_dir = folder;
    options->sync_mode = SILT_SYNC_OFF;
    options->background_off = true;
}

static inline void fixture_open(const struct silt_storage_options *options)
{
    struct silt_error err;
    must(silt_storage_open(options, &storage, &err), &err);
}

static inline void open_plain_store(void)
{
    struct silt_storage_options options;
    fixture_options(&options);
    fixture_open(&options);
}

static inline void close_store(bool flush)
{
    struct silt_error err;
    must(silt_storage_close(storage, flush, &err), &err);
    storage = NULL;
}

/* And the store, if it is open. */
static inline void remove_folder(void)
{
    char command[128];
    if (storage)
        close_store(false);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

#endif
