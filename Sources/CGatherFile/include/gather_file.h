#ifndef OTAFERRY_GATHER_FILE_H
#define OTAFERRY_GATHER_FILE_H

/* A SQLite VFS over the system's own that writes the pages of a commit together: SQLite hands them over one by one, in
   the order of the file, and a system call for each 4 KiB page costs more than the copy. What is gathered reaches the file
   before anything that could tell the difference: a sync, a read, a truncation, a question for the size, an unlock.

   Registers the VFS under OTAFERRY_GATHER_VFS, once; returns SQLite's result code. */
#define OTAFERRY_GATHER_VFS "otaferry-gather"
int otaferry_register_gather_vfs(void);

struct iovec;
struct sqlite3;
struct sqlite3_file;

/* Reads a piece of a firmware into several places, as preadv(2) does, past SQLite's own file object. 1: it was read;
   0: it was not, and SQLite's own read tells why; less: pages that were to be written before could not be, for
   SQLite's result code without its sign. They are lost: a transaction has to be rolled back. */
int otaferry_gather_read(struct sqlite3_file *file, const struct iovec *parts, int count, long long offset);

/* Asks the device for what will be read soon. Only a hint. */
void otaferry_gather_ask(struct sqlite3_file *file, long long offset, long long bytes);

/* The descriptor that firmware is read through, for reading only; -1: there is none. It lives as long as the connection, and
   shows what is committed. Nobody but the connection may close it: that would end SQLite's locks (fcntl(2)). */
int otaferry_gather_stream(struct sqlite3 *database);

#endif
