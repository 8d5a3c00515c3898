#define _GNU_SOURCE /* preadv */
#include "gather_file.h"

#include "direct_writer.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* SQLite's own file takes less than 128 KiB in one piece: it cuts the length to 17 bits (os_unix.c, seekAndWriteFd). */
#define PIECE_BYTES (64 << 10)

/* The database's file, with what is gathered for it. The system's own file object follows in the same memory. */
typedef struct gather_file {
    sqlite3_file base;
    /* The same file, opened twice more; NULL and -1: nothing but speed is lost. */
    direct_writer *writer;
    int stream;
} gather_file;

static sqlite3_vfs gather_vfs;
static sqlite3_vfs *system_vfs;

static sqlite3_file *system_file(sqlite3_file *file) { return (sqlite3_file *)((gather_file *)file + 1); }

/* Through the page cache, in pieces that SQLite's own file takes. */
static int write_pieces(sqlite3_file *file, const unsigned char *bytes, int count, sqlite3_int64 offset) {
    sqlite3_file *real = system_file(file);
    for (int done = 0; done < count; done += PIECE_BYTES) {
        int part = count - done < PIECE_BYTES ? count - done : PIECE_BYTES;
        int result = real->pMethods->xWrite(real, bytes + done, part, offset + done);
        if (result != SQLITE_OK) return result;
    }
    return SQLITE_OK;
}

/* All that was gathered is in the file afterwards. What could not go past the page cache is written as ever, which also
   says why. */
static int flush(sqlite3_file *file) {
    gather_file *gather = (gather_file *)file;
    int result = SQLITE_OK;
    while (gather->writer) {
        unwritten left = direct_writer_settle(gather->writer);
        if (left.count == 0) break;
        int written = write_pieces(file, left.bytes, left.count, left.offset);
        if (result == SQLITE_OK) result = written;
    }
    return result;
}

static int gather_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    gather_file *gather = (gather_file *)file;
    if (gather->writer && direct_writer_add(gather->writer, bytes, count, offset)) return SQLITE_OK;
    int result = flush(file);
    if (result != SQLITE_OK) return result;
    if (gather->writer && direct_writer_add(gather->writer, bytes, count, offset)) return SQLITE_OK;
    return write_pieces(file, bytes, count, offset);
}

static int gather_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    int result = flush(file);
    if (result != SQLITE_OK) return result;
    sqlite3_file *real = system_file(file);
    return real->pMethods->xRead(real, bytes, count, offset);
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
    gather_file *gather = (gather_file *)file;
    int result = flush(file);
    sqlite3_file *real = system_file(file);
    int closed = real->pMethods->xClose(real);
    /* Only now: closing any descriptor of a file ends all locks that the process has on it (fcntl(2)). */
    if (gather->stream >= 0) close(gather->stream);
    if (gather->writer) direct_writer_close(gather->writer);
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
    int device = real->pMethods->xDeviceCharacteristics(real) | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
    /* An atomic batch of F2FS knows nothing of what is gathered. */
    return device & ~SQLITE_IOCAP_BATCH_ATOMIC;
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

/* On the way up through the file the kernel reads ahead by itself, in folios that are larger than a page, as long as SQLite's
   own reads do not come between: so the descriptor is another. */
int otaferry_gather_read(sqlite3_file *file, const struct iovec *parts, int count, long long offset) {
    gather_file *gather = (gather_file *)file;
    if (file->pMethods != &gather_methods || gather->stream < 0) return 0;
    int result = flush(file);
    if (result != SQLITE_OK) return -result;
    ssize_t wanted = 0;
    for (int index = 0; index < count; index++) wanted += (ssize_t)parts[index].iov_len;
    return preadv(gather->stream, parts, count, offset) == wanted;
}

void otaferry_gather_ask(sqlite3_file *file, long long offset, long long bytes) {
    gather_file *gather = (gather_file *)file;
    if (file->pMethods != &gather_methods || gather->stream < 0 || bytes <= 0) return;
    long long from = offset > 0 ? offset : 0;
    posix_fadvise(gather->stream, from, offset + bytes - from, POSIX_FADV_WILLNEED);
}

int otaferry_gather_stream(struct sqlite3 *database) {
    sqlite3_file *file = NULL;
    if (sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file) return -1;
    return file->pMethods == &gather_methods ? ((gather_file *)file)->stream : -1;
}

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
    gather->stream = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (gather->stream >= 0) posix_fadvise(gather->stream, 0, 0, POSIX_FADV_SEQUENTIAL);
    /* Without memory for it, every page is written by itself. */
    gather->writer = direct_writer_open(name);
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
