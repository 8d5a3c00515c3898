#ifndef OTAFERRY_CCURL_SHIM_H
#define OTAFERRY_CCURL_SHIM_H
#include <curl/curl.h>
#include <dlfcn.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* curl_easy_setopt and curl_easy_getinfo take a variable argument, which Swift cannot pass:
   one wrapper for each kind of argument. */
static inline CURLcode otaferry_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode otaferry_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode otaferry_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode otaferry_curl_set_pointer(CURL *handle, CURLoption option, const void *value) {
    return curl_easy_setopt(handle, option, value);
}
typedef size_t (*otaferry_curl_transfer)(char *bytes, size_t size, size_t count, void *context);
static inline CURLcode otaferry_curl_set_transfer(CURL *handle, CURLoption option, otaferry_curl_transfer value) {
    return curl_easy_setopt(handle, option, value);
}
typedef int (*otaferry_curl_progress)(void *context, curl_off_t download_total, curl_off_t download_now,
                                      curl_off_t upload_total, curl_off_t upload_now);
static inline CURLcode otaferry_curl_set_progress(CURL *handle, otaferry_curl_progress value) {
    return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, value);
}
static inline CURLcode otaferry_curl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}
static inline CURLcode otaferry_curl_get_offset(CURL *handle, CURLINFO info, curl_off_t *value) {
    return curl_easy_getinfo(handle, info, value);
}
static inline CURLMcode otaferry_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}
static inline CURLcode otaferry_curl_get_pointer(CURL *handle, CURLINFO info, void **value) {
    return curl_easy_getinfo(handle, info, (char **)value);
}

/* Bounds what the kernel takes in beyond what it may send at once (tcp(7), TCP_NOTSENT_LOWAT). Without it a slow link has
   megabytes in the socket: it goes on sending them when the upload was given up long ago, and takes nothing more for so
   long that it looks stalled. A kernel that does not know the option does without. */
static const int otaferry_least_unsent = 64 << 10;
static inline int otaferry_bound_unsent(void *context, curl_socket_t socket, curlsocktype purpose) {
    int limit = otaferry_least_unsent;
    (void)context;
    (void)purpose;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limit, sizeof limit);
    return CURL_SOCKOPT_OK;
}
static inline CURLcode otaferry_curl_bound_unsent(CURL *handle) {
    return curl_easy_setopt(handle, CURLOPT_SOCKOPTFUNCTION, otaferry_bound_unsent);
}

/* Sets the bound anew, for the connection that a transfer uses now. */
static inline void otaferry_curl_change_unsent(CURL *handle, int limit) {
    curl_socket_t socket = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &socket) != CURLE_OK || socket == CURL_SOCKET_BAD) return;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limit, sizeof limit);
}

/* Has certificates verified as of another time than the system's; below 0, as of no time at all. libcurl has no option for
   it, but hands out its SSL_CTX. The functions are those of the OpenSSL that libcurl brings (openssl(3),
   SSL_CTX_get0_param and X509_VERIFY_PARAM_set_time); where it brings another library, the system's time counts. */
static inline CURLcode otaferry_verify_as_of(CURL *handle, void *context, void *seconds) {
    void *(*parameters)(void *) = (void *(*)(void *))dlsym(RTLD_DEFAULT, "SSL_CTX_get0_param");
    void (*set_time)(void *, long) = (void (*)(void *, long))dlsym(RTLD_DEFAULT, "X509_VERIFY_PARAM_set_time");
    int (*set_flags)(void *, unsigned long) =
        (int (*)(void *, unsigned long))dlsym(RTLD_DEFAULT, "X509_VERIFY_PARAM_set_flags");
    const unsigned long no_check_time = 0x200000; /* X509_V_FLAG_NO_CHECK_TIME */
    (void)handle;
    if (!parameters || !set_time || !set_flags) return CURLE_OK;
    if ((long)seconds < 0) {
        set_flags(parameters(context), no_check_time);
    } else {
        set_time(parameters(context), (long)seconds);
    }
    return CURLE_OK;
}
static inline CURLcode otaferry_curl_verify_as_of(CURL *handle, long seconds) {
    const char *library = curl_version_info(CURLVERSION_NOW)->ssl_version;
    if (!library || strncmp(library, "OpenSSL", 7) != 0) return CURLE_OK;
    CURLcode result = curl_easy_setopt(handle, CURLOPT_SSL_CTX_DATA, (void *)seconds);
    return result == CURLE_OK ? curl_easy_setopt(handle, CURLOPT_SSL_CTX_FUNCTION, otaferry_verify_as_of) : result;
}

/* Macros that are casts or expressions. */
static const size_t otaferry_curl_readfunc_pause = CURL_READFUNC_PAUSE;
static const size_t otaferry_curl_readfunc_abort = CURL_READFUNC_ABORT;

/* The result of a finished transfer sits in a union. */
static inline CURLcode otaferry_curl_message_result(const CURLMsg *message) { return message->data.result; }
#endif
