#ifndef OTAFERRY_DIRECT_WRITER_H
#define OTAFERRY_DIRECT_WRITER_H

#include <stddef.h>

/* Writes large pieces of a file past the kernel's page cache (O_DIRECT) on a thread of its own: one piece is on its way to
   the device while the next is copied together. A sync is still needed for any of it to be durable.

   Used by one thread. Offsets and counts are multiples of DIRECT_ALIGNMENT, the largest block of a device. */
#define DIRECT_ALIGNMENT 4096
/* Smaller pieces make the device wait for us, larger ones cost memory. */
#define DIRECT_BYTES (256 << 10)

typedef struct direct_writer direct_writer;

/* A piece of the file that could not be written so; count 0: there is none. Its bytes stay until the next is begun. */
typedef struct unwritten {
    const unsigned char *bytes;
    int count;
    long long offset;
} unwritten;

/* NULL where the file system has no such writes. */
direct_writer *direct_writer_open(const char *path);

/* Where the bytes of the next piece go: DIRECT_BYTES of them. */
unsigned char *direct_writer_buffer(direct_writer *writer);

/* Whether a piece is on its way. */
int direct_writer_is_busy(const direct_writer *writer);

/* Has the first `count` bytes of the buffer written. To be called only after `direct_writer_wait`. */
void direct_writer_begin(direct_writer *writer, int count, long long offset);

/* Waits until nothing is on its way. */
unwritten direct_writer_wait(direct_writer *writer);

/* Ends the thread. Closes the file: any lock that the process has on it ends with that (fcntl(2)). */
void direct_writer_close(direct_writer *writer);

#endif
