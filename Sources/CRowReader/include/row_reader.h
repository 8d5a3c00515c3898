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

/* Asks the device for the pages of a row that is about to be deleted: SQLite follows their chain page by page. Returns 1, or
   0 where nothing was asked; else like `otaferry_read_blob`. */
int otaferry_ask_row(struct sqlite3 *database, uint32_t root, int64_t rowid);

#endif
