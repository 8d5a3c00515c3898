#ifndef OTAFERRY_ROW_READER_H
#define OTAFERRY_ROW_READER_H

#include <stddef.h>
#include <stdint.h>

struct sqlite3;

/* Reads the last column of a row of a rowid table, a large blob, from the pages as the file has them: SQLite would fetch
   them one by one through its cache and copy the blob twice. What it gives has to be checked against a sum of the blob by
   the caller, who falls back to SQLite where it does not fit: pages that SQLite holds changed are not in the file yet.

   root       the table's root page
   rowid      of the row, which has to exist
   blob       memory for the blob
   count      its length, which the caller asked SQLite for
   crc        a register of otaferry_crc64, which takes in the blob

   Returns 1 when count bytes were read, 0 when the file is not as expected, and when it could not be read or written
   SQLite's result code without its sign: a transaction has to be rolled back then, for pages of it may be lost of which
   SQLite does not know. A statement has to hold SQLite's read lock. */
int otaferry_read_blob(struct sqlite3 *database, uint32_t root, int64_t rowid, void *blob, size_t count, uint64_t *crc);

/* What is left of a blob that is read in pieces: the chain of overflow pages it lies in. */
typedef struct otaferry_chain {
    /* The next page; 0 at the end. */
    uint32_t next;
    /* Where the chain goes: up, down, or 0 where that is not known. */
    int32_t step;
    /* Bytes. */
    uint64_t left;
    /* A register of otaferry_crc64, which takes in the blob. */
    uint64_t crc;
} otaferry_chain;

/* So much of a blob lies in the row itself at most. */
#define OTAFERRY_LOCAL_MAX 4096

/* Finds the last column of a row, a blob of `count` bytes, for reading it in pieces without SQLite. What lies in the row
   itself is copied to `local`: count - chain->left bytes; chain->crc has to be set before. Answers like
   `otaferry_read_blob`. A statement has to hold SQLite's read lock. */
int otaferry_place_blob(struct sqlite3 *database, uint32_t root, int64_t rowid, size_t count, void *local,
                        otaferry_chain *chain);

/* The pages are not in memory. */
#define OTAFERRY_ABSENT -1001
/* The pages are not those of a blob, or cannot be read. */
#define OTAFERRY_OTHER -1002
/* The file system cannot tell what is in memory. */
#define OTAFERRY_REFUSED -1003

/* Reads the next bytes of a blob: whole pages, as many as fit, or the end. Needs no lock, from one thread at a time for each
   chain: pages of a committed row are not written again before the row is deleted. Whoever reads has to compare the sum at the
   end. After an answer below 0 the chain is as it was.

   descriptor  of `otaferry_gather_stream`
   waits       whether the device may be waited for; else what is not in memory is left, and its reading begun

   Returns how many bytes were read, 0 at the end or where less than a page of 4,096 bytes fits; or one of the three above. */
long otaferry_read_piece(int descriptor, int waits, otaferry_chain *chain, void *blob, size_t capacity);

/* Asks the device for the pages of a row that is about to be deleted: SQLite follows their chain page by page. Returns 1, or
   0 where nothing was asked; else like `otaferry_read_blob`. */
int otaferry_ask_row(struct sqlite3 *database, uint32_t root, int64_t rowid);

#endif
