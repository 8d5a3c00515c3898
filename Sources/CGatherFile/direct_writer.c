#define _GNU_SOURCE /* O_DIRECT, pthread_setname_np, pwritev */
#include "direct_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif
/* The largest block of a device. */
#define ALIGNMENT 4096
/* A device takes a large piece faster than many small ones, and the pages of the next wait here meanwhile. As large as a
   huge page of most processors, so that the device is given one address instead of 512. */
#define RING_BYTES (2 << 20)
/* So much is waited for before the first write: the thread takes whatever there is by then. */
#define FIRST_BYTES (256 << 10)
/* After that it is told of so much at once. */
#define NEXT_BYTES (64 << 10)
/* The least for which a way past the page cache is worth its wait for the device. */
#define LEAST_BYTES (64 << 10)
/* The thread calls pwritev and nothing else; but the least that glibc gives is 128 KiB on ARM. */
#define STACK_BYTES (256 << 10)

struct direct_writer {
    /* -1 where the file system has no such writes. */
    int file;
    /* Byte n of what is gathered stands at n % RING_BYTES. */
    unsigned char *ring;
    /* Where the first byte belongs, how many were gathered, and how many of them were given away. `seen` is what the owner
       knows of `written`. Only the owner changes these, and `offset` only while nothing is on its way. */
    long long offset, gathered, given, seen;
    int is_settling;

    pthread_t thread;
    int has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t work, progress;
    /* Guarded by the mutex. */
    long long wanted, written;
    int has_failed, is_ending;
};

/* How many bytes it wrote; 0: this cannot be written this way. */
static long long write_ring(direct_writer *writer, long long from, long long to) {
    long long start = from % RING_BYTES, count = to - from;
    long long first = count < RING_BYTES - start ? count : RING_BYTES - start;
    struct iovec parts[2] = {
        {.iov_base = writer->ring + start, .iov_len = (size_t)first},
        {.iov_base = writer->ring, .iov_len = (size_t)(count - first)},
    };
    ssize_t written;
    do written = pwritev(writer->file, parts, count > first ? 2 : 1, writer->offset + from);
    while (written < 0 && errno == EINTR);
    /* The rest of a piece that ended between blocks cannot be written this way either. */
    return written <= 0 ? 0 : written - written % ALIGNMENT;
}

/* One turn, with the mutex held: it is free while the device works. */
static void write_what_there_is(direct_writer *writer) {
    long long from = writer->written, to = writer->wanted;
    pthread_mutex_unlock(&writer->mutex);
    long long count = write_ring(writer, from, to);
    pthread_mutex_lock(&writer->mutex);
    writer->written += count;
    writer->has_failed = count == 0;
    pthread_cond_signal(&writer->progress);
}

static int has_work(const direct_writer *writer) { return writer->written < writer->wanted && !writer->has_failed; }

static void *run(void *argument) {
    direct_writer *writer = argument;
    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        while (!has_work(writer) && !writer->is_ending) pthread_cond_wait(&writer->work, &writer->mutex);
        if (!has_work(writer)) break;
        write_what_there_is(writer);
    }
    pthread_mutex_unlock(&writer->mutex);
    return NULL;
}

/* Without a thread pieces are written by their owner. */
static void start_thread(direct_writer *writer) {
    /* Not before much is written: most spools are at rest, and a huge page is resident as a whole. An old kernel refuses. */
    madvise(writer->ring, RING_BYTES, MADV_COLLAPSE);
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* Where that is too little, it gets the usual stack. */
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    writer->has_thread = pthread_create(&writer->thread, &attributes, run, writer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (writer->has_thread) pthread_setname_np(writer->thread, "spool-write");
    pthread_attr_destroy(&attributes);
}

direct_writer *direct_writer_open(const char *path) {
    direct_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return NULL;
    writer->ring = aligned_alloc(RING_BYTES, RING_BYTES);
    if (!writer->ring) {
        free(writer);
        return NULL;
    }
    writer->file = path ? open(path, O_RDWR | O_CLOEXEC | O_DIRECT) : -1;
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->work, NULL);
    pthread_cond_init(&writer->progress, NULL);
    return writer;
}

/* Has all that was gathered written, and waits until `enough` of it is. 0: it cannot be. */
static int give(direct_writer *writer, long long enough) {
    /* Only a spool that takes in firmware needs the thread. */
    if (!writer->has_thread) start_thread(writer);
    pthread_mutex_lock(&writer->mutex);
    writer->wanted = writer->given = writer->gathered;
    if (writer->has_thread) pthread_cond_signal(&writer->work);
    while (writer->written < enough && !writer->has_failed) {
        if (writer->has_thread) pthread_cond_wait(&writer->progress, &writer->mutex);
        else write_what_there_is(writer);
    }
    writer->seen = writer->written;
    int is_well = !writer->has_failed;
    pthread_mutex_unlock(&writer->mutex);
    return is_well;
}

int direct_writer_add(direct_writer *writer, const void *bytes, int count, long long offset) {
    if (((offset | count) & (ALIGNMENT - 1)) != 0 || count > RING_BYTES) return 0;
    if (writer->gathered == 0) writer->offset = offset;
    if (offset != writer->offset + writer->gathered) return 0;
    long long after = writer->gathered + count;
    if (after - writer->seen > RING_BYTES && (writer->file < 0 || !give(writer, after - RING_BYTES))) return 0;
    long long start = writer->gathered % RING_BYTES;
    long long first = count < RING_BYTES - start ? count : RING_BYTES - start;
    memcpy(writer->ring + start, bytes, (size_t)first);
    memcpy(writer->ring, (const unsigned char *)bytes + first, (size_t)(count - first));
    writer->gathered = after;
    if (writer->file >= 0 && after - writer->given >= (writer->given == 0 ? FIRST_BYTES : NEXT_BYTES)) give(writer, 0);
    return 1;
}

unwritten direct_writer_settle(direct_writer *writer) {
    if (!writer->is_settling) {
        writer->is_settling = 1;
        /* Few pages wait in the page cache for the sync, but not beside others on their way: the kernel must not have both
           for one folio of the cache. */
        int is_much = writer->given > 0 || writer->gathered >= LEAST_BYTES;
        if (writer->file >= 0 && is_much) give(writer, writer->gathered);
    }
    unwritten left = {0};
    if (writer->seen < writer->gathered) {
        long long start = writer->seen % RING_BYTES, count = writer->gathered - writer->seen;
        if (count > RING_BYTES - start) count = RING_BYTES - start;
        left.bytes = writer->ring + start;
        left.count = (int)count;
        left.offset = writer->offset + writer->seen;
        writer->seen += count;
        return left;
    }
    pthread_mutex_lock(&writer->mutex);
    writer->wanted = writer->written = 0;
    writer->has_failed = 0;
    pthread_mutex_unlock(&writer->mutex);
    writer->gathered = writer->given = writer->seen = 0;
    writer->is_settling = 0;
    return left;
}

void direct_writer_close(direct_writer *writer) {
    if (writer->has_thread) {
        pthread_mutex_lock(&writer->mutex);
        writer->is_ending = 1;
        pthread_cond_signal(&writer->work);
        pthread_mutex_unlock(&writer->mutex);
        pthread_join(writer->thread, NULL);
    }
    pthread_cond_destroy(&writer->work);
    pthread_cond_destroy(&writer->progress);
    pthread_mutex_destroy(&writer->mutex);
    if (writer->file >= 0) close(writer->file);
    free(writer->ring);
    free(writer);
}
