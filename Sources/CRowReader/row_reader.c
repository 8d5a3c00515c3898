#include "row_reader.h"

#include <crc64.h>
#include <gather_file.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/uio.h>

/* The file format is fixed and described at https://www.sqlite.org/fileformat2.html: sections 1.6 (b-tree pages) and 1.7
   (overflow pages). Pages of the spool have 4 KiB without reserved bytes; any other file is left to SQLite. */
#define PAGE 4096
#define LEAF 13
#define INTERIOR 5
/* Of an overflow page: the number of the next one, and what it has of a payload. */
#define LINK 4
#define PART (PAGE - LINK)
/* A chain of overflow pages that lie side by side is read in pieces of so many. */
#define RUN_PAGES 32
#define DEPTH_MAX 20

static uint32_t number(const unsigned char *bytes, int count) {
    uint32_t value = 0;
    while (count-- > 0) value = value << 8 | *bytes++;
    return value;
}

/* Reads a variable-length number; returns what follows it, NULL where it would leave the page. */
static const unsigned char *varint(const unsigned char *bytes, const unsigned char *end, uint64_t *value) {
    *value = 0;
    for (int index = 0; index < 9; index++) {
        if (bytes >= end) return NULL;
        unsigned char byte = *bytes++;
        if (index == 8) {
            *value = *value << 8 | byte;
            return bytes;
        }
        *value = *value << 7 | (byte & 0x7f);
        if (byte < 0x80) return bytes;
    }
    return bytes;
}

/* 1: read; 0: there is no such page; less: SQLite's result code without its sign. That is told, for pages that were to be
   written before the read may be lost now: to go on would be to commit without them. */
static int read_pages(sqlite3_file *file, uint32_t first, int count, unsigned char *pages) {
    if (first == 0) return 0;
    int result = file->pMethods->xRead(file, pages, count * PAGE, (sqlite3_int64)(first - 1) * PAGE);
    /* Behind the end of the file it gives zeros: no page that a chain leads to is of zeros. */
    return result == SQLITE_OK || result == SQLITE_IOERR_SHORT_READ ? 1 : -result;
}

/* The page below an interior page that leads to the row. */
static uint32_t child(const unsigned char *page, int64_t rowid) {
    int count = (int)number(page + 3, 2), low = 0, high = count;
    uint32_t found = number(page + 8, 4);
    if (12 + 2 * count > PAGE) return 0;
    while (low < high) {
        int middle = (low + high) / 2, at = (int)number(page + 12 + 2 * middle, 2);
        uint64_t key;
        if (at + 4 >= PAGE || !varint(page + at + 4, page + PAGE, &key)) return 0;
        if ((int64_t)key >= rowid) {
            found = number(page + at, 4);
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return found;
}

/* The payload of a row on a leaf page; NULL where it is not there. */
static const unsigned char *cell(const unsigned char *page, int64_t rowid, uint64_t *size) {
    int count = (int)number(page + 3, 2), low = 0, high = count;
    if (8 + 2 * count > PAGE) return NULL;
    while (low < high) {
        int middle = (low + high) / 2, at = (int)number(page + 8 + 2 * middle, 2);
        uint64_t key;
        const unsigned char *next = at < PAGE ? varint(page + at, page + PAGE, size) : NULL;
        if (!next || !(next = varint(next, page + PAGE, &key))) return NULL;
        if ((int64_t)key == rowid) return next;
        if ((int64_t)key > rowid) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* How many bytes of a payload are on its leaf page. */
static uint64_t local_size(uint64_t payload) {
    const uint64_t most = PAGE - 35, least = (PAGE - 12) * 32 / 255 - 23;
    if (payload <= most) return payload;
    uint64_t size = least + (payload - least) % PART;
    return size <= most ? size : least;
}

/* Reads `run` pages beginning with `low` as if they were the next of a chain, from the last one down where `step` says so:
   the link of each into `links`, what it has of the payload into its place in `blob`, which ends after `count` bytes. */
static int read_run(sqlite3_file *file, uint32_t low, uint32_t run, int step, unsigned char *blob, size_t count,
                    unsigned char (*links)[LINK]) {
    unsigned char page[PAGE];
    struct iovec parts[3 * RUN_PAGES];
    int total = 0;
    for (uint32_t index = 0; index < run; index++) {
        uint32_t place = step < 0 ? run - 1 - index : index;
        size_t before = (size_t)place * PART, part = count - before < PART ? count - before : PART;
        parts[total++] = (struct iovec){.iov_base = links[place], .iov_len = LINK};
        parts[total++] = (struct iovec){.iov_base = blob + before, .iov_len = part};
        /* The payload ends within the page. */
        if (part < PART) parts[total++] = (struct iovec){.iov_base = page, .iov_len = PART - part};
    }
    int is_read = otaferry_gather_read(file, parts, total, (long long)(low - 1) * PAGE);
    if (is_read != 0) return is_read;
    for (uint32_t place = 0; place < run; place++) {
        size_t before = (size_t)place * PART, part = count - before < PART ? count - before : PART;
        is_read = read_pages(file, step < 0 ? low + run - 1 - place : low + place, 1, page);
        if (is_read != 1) return is_read;
        memcpy(links[place], page, LINK);
        memcpy(blob + before, page + LINK, part);
    }
    return 1;
}

/* Asks the device for the rest of a chain that goes down from a page. */
static void ask_down(sqlite3_file *file, uint32_t next, size_t count) {
    long long pages = (long long)((count + PART - 1) / PART);
    otaferry_gather_ask(file, ((long long)next - pages) * PAGE, pages * PAGE);
}

/* In a new file a chain goes up; where free pages are used again SQLite takes the nearest one, and it goes up or down. */
static int read_chain(sqlite3_file *file, uint32_t next, unsigned char *blob, size_t count, uint64_t *crc) {
    unsigned char links[RUN_PAGES][LINK];
    int step = 0;
    while (count > 0) {
        /* The chain ends too early. */
        if (next == 0) return 0;
        size_t left = (count + PART - 1) / PART;
        uint32_t run = step == 0 ? 1 : left < RUN_PAGES ? (uint32_t)left : RUN_PAGES, here, place = 0;
        if (step < 0 && run > next) run = next;
        int is_read = read_run(file, step < 0 ? next - run + 1 : next, run, step, blob, count, links);
        if (is_read != 1) return is_read;
        /* What was read beyond the place where the chain leads elsewhere is read anew. */
        do {
            here = next;
            next = number(links[place++], LINK);
        } while (place < run && next == here + (uint32_t)step);
        size_t part = (size_t)place * PART < count ? (size_t)place * PART : count;
        *crc = otaferry_crc64(*crc, blob, part);
        blob += part;
        count -= part;
        if (next == here + 1) step = 1;
        if (next == here - 1) {
            /* The kernel reads ahead on the way up only. */
            if (step >= 0) ask_down(file, next, count);
            step = -1;
        }
    }
    return next == 0;
}

/* Where a row begins. */
typedef struct row_place {
    sqlite3_file *file;
    unsigned char page[PAGE];
    /* On that page. `local` bytes of all `size` are there, and the number of the first overflow page follows. */
    const unsigned char *payload;
    uint64_t size, local;
} row_place;

/* Answers like `read_pages`. */
static int find_row(sqlite3 *database, uint32_t root, int64_t rowid, row_place *row) {
    row->file = NULL;
    if (sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &row->file) != SQLITE_OK) return 0;
    if (!row->file || !row->file->pMethods) return 0;
    unsigned char *page = row->page;
    uint32_t where = root;
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        int is_read = read_pages(row->file, where, 1, page);
        if (is_read != 1) return is_read;
        if (page[0] == LEAF) break;
        if (page[0] != INTERIOR) return 0;
        where = child(page, rowid);
    }
    if (page[0] != LEAF) return 0;
    row->payload = cell(page, rowid, &row->size);
    /* SQLite has no larger one. */
    if (!row->payload || row->size > INT32_MAX) return 0;
    row->local = local_size(row->size);
    uint64_t needed = row->local + (row->local < row->size ? LINK : 0);
    return needed <= (uint64_t)(page + PAGE - row->payload);
}

int otaferry_read_blob(sqlite3 *database, uint32_t root, int64_t rowid, void *blob, size_t count, uint64_t *crc) {
    row_place row;
    int is_found = find_row(database, root, rowid, &row);
    if (is_found != 1) return is_found;
    /* The columns before the blob are few and small. */
    if (row.size < count || row.local < row.size - count) return 0;
    size_t before = (size_t)(row.size - count), here = (size_t)row.local - before;
    memcpy(blob, row.payload + before, here);
    *crc = otaferry_crc64(*crc, blob, here);
    if (here == count) return 1;
    uint32_t next = number(row.payload + row.local, LINK);
    return read_chain(row.file, next, (unsigned char *)blob + here, count - here, crc);
}

int otaferry_ask_row(sqlite3 *database, uint32_t root, int64_t rowid) {
    row_place row;
    int is_found = find_row(database, root, rowid, &row);
    if (is_found != 1) return is_found;
    if (row.local == row.size) return 0;
    long long first = (long long)(number(row.payload + row.local, LINK) - 1) * PAGE;
    long long bytes = (long long)((row.size - row.local + PART - 1) / PART) * PAGE;
    /* Its chain goes up from there, or down. */
    otaferry_gather_ask(row.file, first - bytes, 2 * bytes);
    return 1;
}
