/* The peers of the intake benchmark, over the same library and broker as the agent:
 *
 *   peer send  PORT PREFIX SIZE SEGMENT [ACK-TOPIC [WINDOW]]
 *                                                     publishes SIZE bytes in segments, offset as the last level; with an
 *                                                     acknowledgement topic it ends when that says everything is durable;
 *                                                     WINDOW messages wait for their PUBACK at most, 64 by default
 *   peer drop  PORT FILTER SIZE                       receives SIZE bytes and forgets them
 *   peer file  PORT FILTER SIZE FILE                  receives SIZE bytes, writes them to FILE, fdatasync at the end
 *   peer naive PORT FILTER SIZE FILE                  receives SIZE bytes into a table of FILE: a row and a commit a
 *                                                     segment, write-ahead log, everything else as SQLite comes
 *
 * Each prints the moment of its end in nanoseconds of CLOCK_MONOTONIC; send also prints that of its beginning first.
 */
#include <errno.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long size, received, durable = -1;
static long acknowledged;
static int file = -1;
static bool is_subscribed;
static sqlite3_stmt *insertion;

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void open_table(const char *path) {
    sqlite3 *database;
    unlink(path);
    const char *text = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                       "CREATE TABLE segment (offset INTEGER PRIMARY KEY, bytes BLOB)";
    if (sqlite3_open(path, &database) != SQLITE_OK || sqlite3_exec(database, text, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(database, "INSERT INTO segment VALUES (?, ?)", -1, &insertion, NULL) != SQLITE_OK)
        fail(path);
}

static void insert(long long offset, const void *bytes, int count) {
    sqlite3_bind_int64(insertion, 1, offset);
    sqlite3_bind_blob(insertion, 2, bytes, count, SQLITE_STATIC);
    if (sqlite3_step(insertion) != SQLITE_DONE) fail("insert");
    sqlite3_reset(insertion);
}

static void print_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
    fflush(stdout);
}

static void on_message(struct mosquitto *client, void *context, const struct mosquitto_message *message) {
    (void)client;
    (void)context;
    if (durable >= 0) {
        const char *member = message->payload ? strstr(message->payload, "\"durable\":") : NULL;
        if (member) durable = atoll(member + 10);
        return;
    }
    const char *bytes = message->payload;
    for (int left = message->payloadlen; file >= 0 && left > 0;) {
        ssize_t count = write(file, bytes, left);
        if (count < 0) fail("write");
        bytes += count;
        left -= count;
    }
    if (insertion) insert(received, message->payload, message->payloadlen);
    received += message->payloadlen;
}

static void on_publish(struct mosquitto *client, void *context, int id) {
    (void)client;
    (void)context;
    (void)id;
    acknowledged++;
}

static void on_subscribe(struct mosquitto *client, void *context, int id, int count, const int *granted) {
    (void)client;
    (void)context;
    (void)id;
    (void)count;
    (void)granted;
    is_subscribed = true;
}

static void turn(struct mosquitto *client) {
    if (mosquitto_loop(client, 1000, 1) != MOSQ_ERR_SUCCESS) fail("the connection broke");
}

int main(int count, char **arguments) {
    if (count < 5) return 64;
    const char *mode = arguments[1];
    size = atoll(arguments[4]);
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new(NULL, true, NULL);
    mosquitto_message_callback_set(client, on_message);
    mosquitto_publish_callback_set(client, on_publish);
    mosquitto_subscribe_callback_set(client, on_subscribe);
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, 32);
    mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, 64);
    if (mosquitto_connect(client, "127.0.0.1", atoi(arguments[2]), 60) != MOSQ_ERR_SUCCESS) fail("connect");

    if (strcmp(mode, "send") == 0) {
        long segment = atol(arguments[5]);
        long window = count > 7 ? atol(arguments[7]) : 64;
        char *bytes = malloc(segment);
        char topic[512];
        for (long index = 0; index < segment; index++) bytes[index] = (char)(index * 31 >> 3);
        if (count > 6) {
            durable = 0;
            mosquitto_subscribe(client, NULL, arguments[6], 1);
            while (!is_subscribed) turn(client);
        }
        print_now();
        long sent = 0;
        for (long long offset = 0; offset < size; offset += segment) {
            long part = size - offset < segment ? (long)(size - offset) : segment;
            snprintf(topic, sizeof topic, "%s/%lld", arguments[3], offset);
            if (mosquitto_publish(client, NULL, topic, part, bytes, 1, false) != MOSQ_ERR_SUCCESS) fail("publish");
            sent++;
            while (sent - acknowledged >= window) turn(client);
        }
        while (acknowledged < sent || (count > 6 && durable < size)) turn(client);
    } else {
        if (strcmp(mode, "file") == 0) {
            file = open(arguments[5], O_WRONLY | O_CREAT | O_TRUNC, 0600);
            if (file < 0) fail(arguments[5]);
        }
        if (strcmp(mode, "naive") == 0) open_table(arguments[5]);
        mosquitto_subscribe(client, NULL, arguments[3], 1);
        while (!is_subscribed) turn(client);
        printf("ready\n");
        fflush(stdout);
        while (received < size) turn(client);
        if (file >= 0 && fdatasync(file) != 0) fail("fdatasync");
    }
    print_now();
    mosquitto_disconnect(client);
    mosquitto_destroy(client);
    return 0;
}
