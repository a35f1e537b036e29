/*
 * replay.c - runs a fuzz target over the files of folders, without a fuzzer: the kept corpora, in every build, with every compiler.
 *
 *     replay_wal FOLDER...       each file that ends the target is named, and the next one's turn; one is enough for a status of 1
 *
 *     parent ──fork──> child: file 17, 18, 19 ... dies at 23     how far it is stands in memory that both see
 *            ──fork──> child: file 24 ...
 */
#include "silt/text.h"

#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    silt_assert(fd >= 0 && fstat(fd, &status) == 0);
    size_t size = (size_t)status.st_size;
    uint8_t *bytes = silt_malloc(size ? size : 1); /* exactly as long: reading past it is seen */
    silt_assert(read(fd, bytes, size) == (ssize_t)size);
    close(fd);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}

static char **list(char **folders, size_t *count)
{
    char **paths = NULL;
    FTS *walk = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

    *count = 0;
    for (const FTSENT *entry; walk && (entry = fts_read(walk));) {
        if (entry->fts_info != FTS_F)
            continue;
        paths = silt_realloc(paths, (*count + 1) * sizeof(*paths));
        paths[(*count)++] = silt_strdup(silt_str_from(entry->fts_path));
    }
    if (walk)
        fts_close(walk);
    return paths;
}

/* From this file on; *at is where it is. False: the child did not end well, at the latest at its end, where leaks are told. */
static bool run_from(char **paths, size_t count, volatile size_t *at)
{
    int status;
    pid_t child = fork();

    silt_assert(child >= 0);
    if (child == 0) {
        for (; *at < count; ++*at)
            run_file(paths[*at]);
        exit(EXIT_SUCCESS);
    }
    return waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char **argv)
{
    size_t count, failed = 0;
    char **paths = list(argv + 1, &count);
    volatile size_t *at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    silt_assert(argc > 1 && at != MAP_FAILED);
    silt_log_set_level(SILT_LOG_ERROR);
    while (*at < count) {
        if (run_from(paths, count, at))
            break;
        failed++;
        fprintf(stderr, "%s: %s\n", argv[0], *at < count ? paths[*at] : "after all files: what it says stands above");
        ++*at;
    }
    printf("%zu inputs, %zu of them at fault\n", count, failed);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
    return failed || count == 0;
}
