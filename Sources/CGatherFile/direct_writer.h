#ifndef OTAFERRY_DIRECT_WRITER_H
#define OTAFERRY_DIRECT_WRITER_H

/* Gathers pages that follow each other in a file. Once they are many, they are written past the kernel's page cache
   (O_DIRECT) on a thread of its own, while the next are copied together. A sync is still needed for any to be durable.

   Used by one thread. */
typedef struct direct_writer direct_writer;

/* A part of what was gathered that is not in the file. Its bytes stay until the next call. */
typedef struct unwritten {
    const unsigned char *bytes;
    int count;
    long long offset;
} unwritten;

/* NULL without memory. Where the file system has no such writes it gathers only. */
direct_writer *direct_writer_open(const char *path);

/* Takes pages that follow those before them. 0: they do not, or there is no room, or the file could not be written;
   `direct_writer_settle` comes first then. Where they are not taken after that either, they never are. */
int direct_writer_add(direct_writer *writer, const void *bytes, int count, long long offset);

/* Waits for what is on its way, and forgets all that was gathered. What is not in the file is given back part by part: to
   be called until a part of 0 bytes ends it. */
unwritten direct_writer_settle(direct_writer *writer);

/* Ends the thread. Closes the file: any lock that the process has on it ends with that (fcntl(2)). */
void direct_writer_close(direct_writer *writer);

#endif
