/* A cloud that answers at once and keeps nothing: ticket, PostObject, CreateOTAFirmware, ListOTAFirmware.
   It is the server of the upload benchmark, for the agent and for curl alike: a sink that is no slower for one of them.
   For every upload it prints "upload BYTES START END", for every registration "register TIME"; times are nanoseconds of
   CLOCK_MONOTONIC. START is the first byte of the request, END the moment before its answer. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int port;

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void encode(const char *text, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i += 3) {
        unsigned value = (unsigned char)text[i] << 16;
        if (i + 1 < length) value |= (unsigned char)text[i + 1] << 8;
        if (i + 2 < length) value |= (unsigned char)text[i + 2];
        *out++ = digits[value >> 18];
        *out++ = digits[value >> 12 & 63];
        *out++ = i + 1 < length ? digits[value >> 6 & 63] : '=';
        *out++ = i + 2 < length ? digits[value & 63] : '=';
    }
    *out = 0;
}

static void reply(int fd, const char *body)
{
    char date[64], answer[4096];
    time_t t = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&t));
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          date, strlen(body), body);
    if (write(fd, answer, length) != length) perror("write");
}

static void ticket(int fd)
{
    char policy[256], encoded[512], body[2048], expiry[64];
    time_t t = time(NULL) + 3600;
    strftime(expiry, sizeof expiry, "%Y-%m-%dT%H:%M:%S.000Z", gmtime(&t));
    snprintf(policy, sizeof policy,
             "{\"expiration\":\"%s\",\"conditions\":[[\"content-length-range\",0,1048576000]]}", expiry);
    encode(policy, encoded);
    snprintf(body, sizeof body,
             "{\"RequestId\":\"r\",\"Success\":true,\"Code\":\"\",\"Data\":{\"Key\":\"ota/x.bin\",\"Host\":\"http://127.0.0.1:%d\","
             "\"Policy\":\"%s\",\"OSSAccessKeyId\":\"k\",\"Signature\":\"c2ln\",\"ObjectStorage\":\"OSS\","
             "\"UtcCreate\":\"2019-11-04T06:21:54.607Z\",\"FirmwareUrl\":\"http://127.0.0.1:%d/ota/x.bin\"}}",
             port, encoded, port);
    reply(fd, body);
}

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument, yes = 1;
    size_t room = 1 << 20, have = 0;
    char *buffer = malloc(room + 1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    for (;;) {
        char *end;
        long long begun = have ? now() : 0;
        while (!(end = memmem(buffer, have, "\r\n\r\n", 4))) {
            ssize_t got = have < room ? recv(fd, buffer + have, room - have, 0) : 0;
            if (got <= 0) goto out;
            if (!begun) begun = now();
            have += got;
        }
        *end = 0;
        size_t head = end + 4 - buffer;
        const char *field = strcasestr(buffer, "\ncontent-length:");
        long long left = field ? atoll(field + 16) : 0, total = left;
        int is_upload = strcasestr(buffer, "multipart/form-data") != NULL;
        int is_ticket = strstr(buffer, "GenerateOTAUploadURL") != NULL;
        int is_register = strstr(buffer, "CreateOTAFirmware") != NULL;
        if (strcasestr(buffer, "\nexpect: 100-continue") && write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25) != 25) goto out;
        long long here = (long long)(have - head) < left ? (long long)(have - head) : left;
        left -= here;
        have -= head + here;
        memmove(buffer, buffer + head + here, have);
        while (left > 0) {
            ssize_t got = recv(fd, buffer, left < (long long)room ? left : (long long)room, 0);
            if (got <= 0) goto out;
            left -= got;
        }
        if (is_upload) {
            printf("upload %lld %lld %lld\n", total, begun, now());
            fflush(stdout);
            reply(fd, "");
        } else if (is_ticket) {
            ticket(fd);
        } else if (is_register) {
            reply(fd, "{\"RequestId\":\"r\",\"Success\":true,\"Code\":\"\",\"Data\":{\"FirmwareId\":\"f\",\"UtcCreate\":\"2019-11-04T06:21:54.607Z\"}}");
            printf("register %lld\n", now());
            fflush(stdout);
        } else {
            reply(fd, "{\"RequestId\":\"r\",\"Success\":true,\"Code\":\"\",\"CurrentPage\":1,\"PageSize\":100,\"PageCount\":0,\"Total\":0,\"FirmwareInfo\":{\"SimpleFirmwareInfo\":[]}}");
        }
    }
out:
    free(buffer);
    close(fd);
    return NULL;
}

int main(void)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 16) ||
        getsockname(listener, (struct sockaddr *)&address, &size)) {
        perror("listen");
        return 1;
    }
    port = ntohs(address.sin_port);
    printf("port %d\n", port);
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) continue;
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd)) close(fd); else pthread_detach(thread);
    }
}
