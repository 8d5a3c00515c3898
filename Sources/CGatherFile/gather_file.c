#define _GNU_SOURCE /* sync_file_range */
#include "gather_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Large enough that the calls do not count. SQLite's own file takes less than 128 KiB in one piece: it cuts the length to
   17 bits (os_unix.c, seekAndWriteFd). */
#define GATHER_BYTES (64 << 10)
/* The device is told to begin with so much, while the rest of a commit is still copied. Less costs more than it gains. */
#define START_BYTES (512 << 10)
/* A read of so much is one of a firmware from front to back, not of SQLite's pages. */
#define STREAM_BYTES (32 << 10)
/* How far ahead of such a read the device is asked for. */
#define AHEAD_BYTES (2 << 20)

/* The database's file, with what is gathered for it. The system's own file object follows in the same memory. */
typedef struct gather_file {
    sqlite3_file base;
    unsigned char *bytes;
    sqlite3_int64 offset;
    int count;
    /* The same file, opened for advice only; -1: there is none, and nothing but speed is lost. */
    int advice;
    /* Written, and the device not told yet. */
    sqlite3_int64 written, written_end;
    /* Where the last read of a firmware began, and up to where the device was asked for. */
    sqlite3_int64 streamed, asked;
} gather_file;

static sqlite3_vfs gather_vfs;
static sqlite3_vfs *system_vfs;

static sqlite3_file *system_file(sqlite3_file *file) { return (sqlite3_file *)((gather_file *)file + 1); }

/* Has the device begin with large writes. It promises nothing: the sync that follows does. */
static void start(gather_file *gather, sqlite3_int64 offset, int count) {
    if (gather->advice < 0) return;
    if (offset != gather->written_end) gather->written = offset;
    gather->written_end = offset + count;
    if (gather->written_end - gather->written < START_BYTES) return;
    sync_file_range(gather->advice, gather->written, gather->written_end - gather->written, SYNC_FILE_RANGE_WRITE);
    gather->written = gather->written_end;
}

/* Asks the device for what a reader of a whole firmware wants next, so that it does not wait for each piece. Such a reader
   goes up through the file, or down where free pages were used again. */
static void ask(gather_file *gather, sqlite3_int64 offset, int count) {
    if (gather->advice < 0 || count < STREAM_BYTES) return;
    int is_up = offset >= gather->streamed;
    gather->streamed = offset;
    /* What lies between the reader and `asked` was asked for. */
    sqlite3_int64 edge = is_up ? offset + count : offset;
    sqlite3_int64 ahead = is_up ? gather->asked - edge : edge - gather->asked;
    if (ahead > AHEAD_BYTES / 2 && ahead <= AHEAD_BYTES) return;
    if (ahead < 0 || ahead > AHEAD_BYTES) gather->asked = edge;
    sqlite3_int64 target = is_up ? edge + AHEAD_BYTES : edge > AHEAD_BYTES ? edge - AHEAD_BYTES : 0;
    sqlite3_int64 from = is_up ? gather->asked : target, to = is_up ? target : gather->asked;
    gather->asked = target;
    if (from < to) posix_fadvise(gather->advice, from, to - from, POSIX_FADV_WILLNEED);
}

static int flush(sqlite3_file *file) {
    gather_file *gather = (gather_file *)file;
    if (gather->count == 0) return SQLITE_OK;
    int count = gather->count;
    gather->count = 0;
    sqlite3_file *real = system_file(file);
    int result = real->pMethods->xWrite(real, gather->bytes, count, gather->offset);
    if (result == SQLITE_OK) start(gather, gather->offset, count);
    return result;
}

static int gather_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    gather_file *gather = (gather_file *)file;
    if (gather->count > 0 && (offset != gather->offset + gather->count || gather->count + count > GATHER_BYTES)) {
        int result = flush(file);
        if (result != SQLITE_OK) return result;
    }
    if (gather->bytes == NULL || count > GATHER_BYTES) {
        sqlite3_file *real = system_file(file);
        return real->pMethods->xWrite(real, bytes, count, offset);
    }
    if (gather->count == 0) gather->offset = offset;
    memcpy(gather->bytes + gather->count, bytes, (size_t)count);
    gather->count += count;
    return SQLITE_OK;
}

static int gather_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    int result = flush(file);
    sqlite3_file *real = system_file(file);
    ask((gather_file *)file, offset, count);
    return result != SQLITE_OK ? result : real->pMethods->xRead(real, bytes, count, offset);
}

static int gather_truncate(sqlite3_file *file, sqlite3_int64 size) {
    int result = flush(file);
    sqlite3_file *real = system_file(file);
    return result != SQLITE_OK ? result : real->pMethods->xTruncate(real, size);
}

static int gather_sync(sqlite3_file *file, int flags) {
    int result = flush(file);
    sqlite3_file *real = system_file(file);
    return result != SQLITE_OK ? result : real->pMethods->xSync(real, flags);
}

static int gather_size(sqlite3_file *file, sqlite3_int64 *size) {
    int result = flush(file);
    sqlite3_file *real = system_file(file);
    return result != SQLITE_OK ? result : real->pMethods->xFileSize(real, size);
}

static int gather_unlock(sqlite3_file *file, int level) {
    int result = flush(file);
    sqlite3_file *real = system_file(file);
    int unlocked = real->pMethods->xUnlock(real, level);
    return result != SQLITE_OK ? result : unlocked;
}

static int gather_close(sqlite3_file *file) {
    int result = flush(file);
    free(((gather_file *)file)->bytes);
    sqlite3_file *real = system_file(file);
    int closed = real->pMethods->xClose(real);
    /* Only now: closing any descriptor of a file ends all locks that the process has on it (fcntl(2)). */
    if (((gather_file *)file)->advice >= 0) close(((gather_file *)file)->advice);
    return result != SQLITE_OK ? result : closed;
}

static int gather_lock(sqlite3_file *file, int level) {
    sqlite3_file *real = system_file(file);
    return real->pMethods->xLock(real, level);
}

static int gather_check_lock(sqlite3_file *file, int *answer) {
    sqlite3_file *real = system_file(file);
    return real->pMethods->xCheckReservedLock(real, answer);
}

static int gather_control(sqlite3_file *file, int operation, void *argument) {
    sqlite3_file *real = system_file(file);
    return real->pMethods->xFileControl(real, operation, argument);
}

static int gather_sector(sqlite3_file *file) {
    sqlite3_file *real = system_file(file);
    return real->pMethods->xSectorSize(real);
}

/* With this SQLite keeps a journal of mode PERSIST open between transactions (pager.c, pager_unlock). Opened anew for each,
   it would have its folder synced with each, and as root its owner set with each: 16 KiB of flash. Nobody deletes the
   journal under us: programs that look at the spool only read. */
static int gather_device(sqlite3_file *file) {
    sqlite3_file *real = system_file(file);
    return real->pMethods->xDeviceCharacteristics(real) | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
}

/* The spool has no WAL; a database of somebody else, which is refused, may have one. */
static int gather_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory) {
    sqlite3_file *real = system_file(file);
    return real->pMethods->xShmMap(real, page, size, extend, memory);
}

static int gather_map_lock(sqlite3_file *file, int offset, int count, int flags) {
    sqlite3_file *real = system_file(file);
    return real->pMethods->xShmLock(real, offset, count, flags);
}

static void gather_map_barrier(sqlite3_file *file) {
    sqlite3_file *real = system_file(file);
    real->pMethods->xShmBarrier(real);
}

static int gather_unmap(sqlite3_file *file, int delete) {
    sqlite3_file *real = system_file(file);
    return real->pMethods->xShmUnmap(real, delete);
}

/* Version 2: no memory mapping of the file, which would not see what is gathered. */
static const sqlite3_io_methods gather_methods = {
    .iVersion = 2,
    .xClose = gather_close,
    .xRead = gather_read,
    .xWrite = gather_write,
    .xTruncate = gather_truncate,
    .xSync = gather_sync,
    .xFileSize = gather_size,
    .xLock = gather_lock,
    .xUnlock = gather_unlock,
    .xCheckReservedLock = gather_check_lock,
    .xFileControl = gather_control,
    .xSectorSize = gather_sector,
    .xDeviceCharacteristics = gather_device,
    .xShmMap = gather_map,
    .xShmLock = gather_map_lock,
    .xShmBarrier = gather_map_barrier,
    .xShmUnmap = gather_unmap,
};

/* Only the database itself is gathered for; the journal and temporary files are the system's own. */
static int gather_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out) {
    (void)vfs;
    if (!(flags & SQLITE_OPEN_MAIN_DB)) return system_vfs->xOpen(system_vfs, name, file, flags, flags_out);
    gather_file *gather = (gather_file *)file;
    memset(gather, 0, sizeof *gather);
    sqlite3_file *real = system_file(file);
    int result = system_vfs->xOpen(system_vfs, name, real, flags, flags_out);
    if (result != SQLITE_OK) {
        /* SQLite closes a file that has methods, also after a failure. */
        if (real->pMethods) real->pMethods->xClose(real);
        return result;
    }
    /* Without memory for it, every page is written by itself. */
    gather->bytes = malloc(GATHER_BYTES);
    gather->advice = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    gather->base.pMethods = &gather_methods;
    return SQLITE_OK;
}

int otaferry_register_gather_vfs(void) {
    if (system_vfs) return SQLITE_OK;
    sqlite3_vfs *found = sqlite3_vfs_find(NULL);
    if (!found) return SQLITE_ERROR;
    system_vfs = found;
    gather_vfs = *found;
    gather_vfs.zName = OTAFERRY_GATHER_VFS;
    gather_vfs.szOsFile = (int)sizeof(gather_file) + found->szOsFile;
    gather_vfs.xOpen = gather_open;
    gather_vfs.pNext = NULL;
    return sqlite3_vfs_register(&gather_vfs, 0);
}
