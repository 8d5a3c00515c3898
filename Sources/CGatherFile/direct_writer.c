#define _GNU_SOURCE /* O_DIRECT, pthread_setname_np */
#include "direct_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* The thread calls pwrite and nothing else; but the least that glibc gives is 128 KiB on ARM. */
#define STACK_BYTES (256 << 10)

struct direct_writer {
    int file;
    /* One is filled by the owner, the other is on its way. */
    unsigned char *buffers[2];
    int filling;
    /* The owner has given a piece away and not waited for it yet. Only the owner looks at this. */
    int is_busy;

    pthread_t thread;
    int has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Guarded by the mutex. `count` is 0 once all is written; `is_pending` ends with the attempt, however it went. */
    const unsigned char *bytes;
    int count, is_pending, is_ending;
    long long offset;
};

/* Writes what it can, and leaves in `count` what it cannot. */
static void write_piece(direct_writer *writer) {
    while (writer->count > 0) {
        ssize_t written = pwrite(writer->file, writer->bytes, (size_t)writer->count, writer->offset);
        if (written < 0 && errno == EINTR) continue;
        /* The rest of a piece that ended between blocks cannot be written this way either. */
        if (written <= 0 || written % DIRECT_ALIGNMENT != 0) return;
        writer->bytes += written;
        writer->offset += written;
        writer->count -= (int)written;
    }
}

static void *run(void *argument) {
    direct_writer *writer = argument;
    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        while (!writer->is_pending && !writer->is_ending) pthread_cond_wait(&writer->changed, &writer->mutex);
        if (!writer->is_pending) break;
        /* The owner does not touch the piece until it is told. */
        pthread_mutex_unlock(&writer->mutex);
        write_piece(writer);
        pthread_mutex_lock(&writer->mutex);
        writer->is_pending = 0;
        pthread_cond_signal(&writer->changed);
    }
    pthread_mutex_unlock(&writer->mutex);
    return NULL;
}

/* Without a thread pieces are written by their owner. */
static void start_thread(direct_writer *writer) {
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
    int file = open(path, O_RDWR | O_CLOEXEC | O_DIRECT);
    if (file < 0) return NULL;
    direct_writer *writer = calloc(1, sizeof *writer);
    if (writer) {
        writer->file = file;
        for (int index = 0; index < 2; index++) writer->buffers[index] = aligned_alloc(DIRECT_ALIGNMENT, DIRECT_BYTES);
        if (writer->buffers[0] && writer->buffers[1]) {
            pthread_mutex_init(&writer->mutex, NULL);
            pthread_cond_init(&writer->changed, NULL);
            return writer;
        }
        free(writer->buffers[0]);
        free(writer->buffers[1]);
        free(writer);
    }
    close(file);
    return NULL;
}

unsigned char *direct_writer_buffer(direct_writer *writer) { return writer->buffers[writer->filling]; }

int direct_writer_is_busy(const direct_writer *writer) { return writer->is_busy; }

void direct_writer_begin(direct_writer *writer, int count, long long offset) {
    /* Only a spool that takes in firmware needs the thread. */
    if (!writer->has_thread) start_thread(writer);
    pthread_mutex_lock(&writer->mutex);
    writer->bytes = writer->buffers[writer->filling];
    writer->count = count;
    writer->offset = offset;
    writer->is_pending = writer->has_thread;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->mutex);
    if (!writer->has_thread) write_piece(writer);
    writer->is_busy = 1;
    writer->filling = 1 - writer->filling;
}

unwritten direct_writer_wait(direct_writer *writer) {
    unwritten left = {0};
    if (!writer->is_busy) return left;
    pthread_mutex_lock(&writer->mutex);
    while (writer->is_pending) pthread_cond_wait(&writer->changed, &writer->mutex);
    pthread_mutex_unlock(&writer->mutex);
    writer->is_busy = 0;
    left.bytes = writer->bytes;
    left.count = writer->count;
    left.offset = writer->offset;
    return left;
}

void direct_writer_close(direct_writer *writer) {
    if (writer->has_thread) {
        pthread_mutex_lock(&writer->mutex);
        writer->is_ending = 1;
        pthread_cond_signal(&writer->changed);
        pthread_mutex_unlock(&writer->mutex);
        pthread_join(writer->thread, NULL);
    }
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->mutex);
    close(writer->file);
    free(writer->buffers[0]);
    free(writer->buffers[1]);
    free(writer);
}
