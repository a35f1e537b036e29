/*
 * fuzz_manifest.c - arbitrary bytes as a manifest (with its checksum mended, so that the fields are reached).
 */
#include "silt/text.h"
#include "storage/manifest.h"
#include "tests/fault_vfs.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vfs *vfs;
    static uint64_t version;
    struct silt_error err;
    struct manifest manifest;
    if (size < 1 || size > 1 << 16)
        return 0;
    if (!vfs)
        vfs = fault_vfs_create(1);
    size_t len = size - 1;
    unsigned char *bytes = malloc(len + 4);
    memcpy(bytes, data + 1, len);
    if (data[0] & 1) {
        uint32_t crc = silt_crc32c(0, bytes, len);
        memcpy(bytes + len, &crc, 4);
        len += 4;
    }
    if (vfs->ops->register_swap(vfs, "s/MANIFEST", version++, bytes, len, &err) != SILT_OK)
        abort();
    free(bytes);
    if (manifest_load(vfs, "s", UINT64_MAX, &manifest, &err) == SILT_OK) {
        manifest_sweep(&manifest, NULL, &err);
        manifest_deinit(&manifest);
    }
    return 0;
}
