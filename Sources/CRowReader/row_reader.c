#define _GNU_SOURCE /* preadv2 */
#include "row_reader.h"

#include <crc64.h>
#include <errno.h>
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

/* Where pages of a chain are read from. */
typedef struct page_source {
    /* SQLite's file, under its read lock; NULL: the descriptor. */
    sqlite3_file *file;
    int descriptor;
    /* Of preadv2(2). */
    int flags;
} page_source;

/* Reads `*run` pages beginning with `low` into these parts. Upwards a descriptor may have fewer of them, in memory or at all:
   `*run` says how many. */
static int read_parts(const page_source *source, uint32_t low, uint32_t *run, int step, const struct iovec *parts, int count) {
    off_t offset = (off_t)(low - 1) * PAGE;
    if (source->file) return otaferry_gather_read(source->file, parts, count, offset);
    ssize_t got = preadv2(source->descriptor, parts, count, offset, source->flags);
    if (got == (ssize_t)*run * PAGE) return 1;
    if (got >= PAGE && step >= 0) {
        *run = (uint32_t)(got / PAGE);
        return 1;
    }
    if (got < 0 && errno == EOPNOTSUPP) return OTAFERRY_REFUSED;
    return source->flags & RWF_NOWAIT && (got >= 0 || errno == EAGAIN || errno == EINTR) ? OTAFERRY_ABSENT : OTAFERRY_OTHER;
}

/* Reads `*run` pages beginning with `low` as if they were the next of a chain, from the last one down where `step` says so:
   the link of each into `links`, what it has of the payload into its place in `blob`, which ends after `count` bytes. */
static int read_run(const page_source *source, uint32_t low, uint32_t *run, int step, unsigned char *blob, size_t count,
                    unsigned char (*links)[LINK]) {
    unsigned char page[PAGE];
    struct iovec parts[3 * RUN_PAGES];
    int total = 0;
    for (uint32_t index = 0; index < *run; index++) {
        uint32_t place = step < 0 ? *run - 1 - index : index;
        size_t before = (size_t)place * PART, part = count - before < PART ? count - before : PART;
        parts[total++] = (struct iovec){.iov_base = links[place], .iov_len = LINK};
        parts[total++] = (struct iovec){.iov_base = blob + before, .iov_len = part};
        /* The payload ends within the page. */
        if (part < PART) parts[total++] = (struct iovec){.iov_base = page, .iov_len = PART - part};
    }
    int is_read = read_parts(source, low, run, step, parts, total);
    if (is_read != 0 || !source->file) return is_read;
    for (uint32_t place = 0; place < *run; place++) {
        size_t before = (size_t)place * PART, part = count - before < PART ? count - before : PART;
        is_read = read_pages(source->file, step < 0 ? low + *run - 1 - place : low + place, 1, page);
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

/* Reads the next pages of a chain, of which `capacity` bytes fit: at least a page or the end. What was read is in `taken`. In
   a new file a chain goes up; where free pages are used again SQLite takes the nearest one, and it goes up or down. */
static int read_some(const page_source *source, otaferry_chain *chain, unsigned char *blob, size_t capacity, size_t *taken) {
    unsigned char links[RUN_PAGES][LINK];
    /* The chain ends too early. */
    if (chain->next == 0) return 0;
    size_t count = chain->left <= capacity ? (size_t)chain->left : capacity / PART * PART;
    size_t pages = (count + PART - 1) / PART;
    uint32_t run = chain->step == 0 ? 1 : pages < RUN_PAGES ? (uint32_t)pages : RUN_PAGES, place = 0, here;
    if (chain->step < 0 && run > chain->next) run = chain->next;
    uint32_t low = chain->step < 0 ? chain->next - run + 1 : chain->next;
    int is_read = read_run(source, low, &run, chain->step, blob, count, links);
    if (is_read == OTAFERRY_ABSENT && chain->step < 0 && run > 1) {
        /* The chain may lead elsewhere before what is not in memory. */
        run = 1;
        is_read = read_run(source, chain->next, &run, chain->step, blob, count, links);
    }
    if (is_read != 1) return is_read;
    /* What was read beyond the place where the chain leads elsewhere is read anew. */
    do {
        here = chain->next;
        chain->next = number(links[place++], LINK);
    } while (place < run && chain->next == here + (uint32_t)chain->step);
    *taken = (size_t)place * PART < count ? (size_t)place * PART : count;
    chain->crc = otaferry_crc64(chain->crc, blob, *taken);
    chain->left -= *taken;
    if (chain->next == here + 1) chain->step = 1;
    if (chain->next == here - 1) {
        /* The kernel reads ahead on the way up only. */
        if (chain->step >= 0 && source->file) ask_down(source->file, chain->next, chain->left);
        chain->step = -1;
    }
    return chain->left > 0 || chain->next == 0;
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

/* Where the last column of a row begins, a blob of this length. Answers like `read_pages`. */
static int find_blob(sqlite3 *database, uint32_t root, int64_t rowid, size_t count, row_place *row,
                     const unsigned char **bytes, otaferry_chain *chain) {
    int is_found = find_row(database, root, rowid, row);
    if (is_found != 1) return is_found;
    /* The columns before the blob are few and small. */
    if (row->size < count || row->local < row->size - count) return 0;
    uint64_t before = row->size - count, here = row->local - before;
    *bytes = row->payload + before;
    chain->left = count - here;
    chain->next = chain->left > 0 ? number(row->payload + row->local, LINK) : 0;
    chain->step = 0;
    chain->crc = otaferry_crc64(chain->crc, *bytes, here);
    return 1;
}

int otaferry_read_blob(sqlite3 *database, uint32_t root, int64_t rowid, void *blob, size_t count, uint64_t *crc) {
    row_place row;
    const unsigned char *bytes;
    otaferry_chain chain = {.crc = *crc};
    int is_found = find_blob(database, root, rowid, count, &row, &bytes, &chain);
    if (is_found != 1) return is_found;
    size_t done = count - (size_t)chain.left, taken = 0;
    memcpy(blob, bytes, done);
    page_source source = {.file = row.file};
    for (; chain.left > 0; done += taken) {
        /* A piece of a page is a whole last one. */
        int is_read = read_some(&source, &chain, (unsigned char *)blob + done, count - done, &taken);
        if (is_read != 1) return is_read;
    }
    *crc = chain.crc;
    return 1;
}

int otaferry_place_blob(sqlite3 *database, uint32_t root, int64_t rowid, size_t count, void *local, otaferry_chain *chain) {
    row_place row;
    const unsigned char *bytes;
    int is_found = find_blob(database, root, rowid, count, &row, &bytes, chain);
    if (is_found != 1) return is_found;
    memcpy(local, bytes, count - (size_t)chain->left);
    return 1;
}

long otaferry_read_piece(int descriptor, int waits, otaferry_chain *chain, void *blob, size_t capacity) {
    page_source source = {.descriptor = descriptor, .flags = waits ? 0 : RWF_NOWAIT};
    size_t done = 0;
    while (chain->left > 0 && (capacity - done >= PART || capacity - done >= chain->left)) {
        size_t taken;
        otaferry_chain before = *chain;
        int is_read = read_some(&source, chain, (unsigned char *)blob + done, capacity - done, &taken);
        if (is_read != 1) {
            *chain = before;
            if (done > 0) break;
            return is_read == 0 ? OTAFERRY_OTHER : is_read;
        }
        done += taken;
    }
    return (long)done;
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
