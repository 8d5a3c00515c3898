#ifndef OTAFERRY_CMOSQUITTO_TLS_H
#define OTAFERRY_CMOSQUITTO_TLS_H
/* What libmosquitto does not say about certificates, asked of the OpenSSL that it brings (see openssl(3) for each
   function). Where it brings none, or another library, the answer is OTAFERRY_TLS_UNKNOWN. */
#include <dlfcn.h>
#include <mosquitto.h>
#include <stddef.h>
#include <string.h>

enum {
    OTAFERRY_TLS_UNKNOWN = -1,
    OTAFERRY_KEY_FITS = 0,
    OTAFERRY_KEY_ABSENT = 1,
    OTAFERRY_KEY_ENCRYPTED = 2,
    OTAFERRY_KEY_OF_ANOTHER = 3,
    OTAFERRY_CERTIFICATE_VALID = 0,
    OTAFERRY_CERTIFICATE_EARLY = 1,
    OTAFERRY_CERTIFICATE_EXPIRED = 2,
};

/* Asked for the passphrase of a key: a program without people at it must never stand at a prompt, which is what OpenSSL
   does where it has no callback. */
static inline int otaferry_tls_no_passphrase(char *buffer, int size, int is_writing, void *was_asked) {
    (void)buffer; (void)size; (void)is_writing; (void)was_asked;
    return 0;
}
static inline int otaferry_tls_note_passphrase(char *buffer, int size, int is_writing, void *was_asked) {
    (void)buffer; (void)size; (void)is_writing;
    *(int *)was_asked = 1;
    return 0;
}

/* Whether there is TLS, and both ends have agreed on its keys. */
static inline int otaferry_tls_is_agreed(struct mosquitto *client) {
    int (*is_finished)(const void *) = (int (*)(const void *))dlsym(RTLD_DEFAULT, "SSL_is_init_finished");
    void *connection = mosquitto_ssl_get(client);
    return is_finished && connection && is_finished(connection);
}

/* X509_V_ERR_* of the handshake under way, 0 where none is wrong; words for people in `words`. To be asked while
   libmosquitto logs the failure: afterwards it has thrown the connection away. */
static inline long otaferry_tls_verify_result(struct mosquitto *client, const char **words) {
    long (*result)(const void *) = (long (*)(const void *))dlsym(RTLD_DEFAULT, "SSL_get_verify_result");
    const char *(*text)(long) = (const char *(*)(long))dlsym(RTLD_DEFAULT, "X509_verify_cert_error_string");
    void *connection = mosquitto_ssl_get(client);
    if (!result || !text || !connection) return 0;
    *words = text(result(connection));
    return result(connection);
}

/* The first object of a file in PEM that a function such as PEM_read_bio_X509_AUX reads; NULL where there is none. */
static inline void *otaferry_tls_read(const char *path, const char *reader, int *was_asked) {
    void *(*open_file)(const char *, const char *) =
        (void *(*)(const char *, const char *))dlsym(RTLD_DEFAULT, "BIO_new_file");
    int (*close_file)(void *) = (int (*)(void *))dlsym(RTLD_DEFAULT, "BIO_free");
    void *(*read_object)(void *, void *, int (*)(char *, int, int, void *), void *) =
        (void *(*)(void *, void *, int (*)(char *, int, int, void *), void *))dlsym(RTLD_DEFAULT, reader);
    void (*forget_errors)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "ERR_clear_error");
    if (!open_file || !close_file || !read_object || !forget_errors) return NULL;
    void *file = open_file(path, "r");
    void *object = file ? read_object(file, NULL, otaferry_tls_note_passphrase, was_asked) : NULL;
    if (file) close_file(file);
    forget_errors();
    return object;
}
static inline void otaferry_tls_release(void *object, const char *releaser) {
    void (*release)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, releaser);
    if (object && release) release(object);
}

/* Whether the file holds a certificate, and whether the first is within its dates; OTAFERRY_TLS_UNKNOWN for no
   certificate. */
static inline int otaferry_tls_certificate(const char *path) {
    int was_asked = 0;
    const void *(*begin)(const void *) = (const void *(*)(const void *))dlsym(RTLD_DEFAULT, "X509_get0_notBefore");
    const void *(*end)(const void *) = (const void *(*)(const void *))dlsym(RTLD_DEFAULT, "X509_get0_notAfter");
    int (*compare)(const void *) = (int (*)(const void *))dlsym(RTLD_DEFAULT, "X509_cmp_current_time");
    void *certificate = otaferry_tls_read(path, "PEM_read_bio_X509_AUX", &was_asked);
    if (!certificate) return OTAFERRY_TLS_UNKNOWN;
    int answer = OTAFERRY_CERTIFICATE_VALID;
    /* X509_cmp_current_time: 1 for what is later than now, -1 for what is not, 0 where it cannot be read. */
    if (begin && compare && compare(begin(certificate)) > 0) answer = OTAFERRY_CERTIFICATE_EARLY;
    if (end && compare && compare(end(certificate)) < 0) answer = OTAFERRY_CERTIFICATE_EXPIRED;
    otaferry_tls_release(certificate, "X509_free");
    return answer;
}

/* Whether a file holds a private key, and that of the certificate. */
static inline int otaferry_tls_key(const char *path, const char *certificate_path) {
    int was_asked = 0;
    int (*fits)(const void *, const void *) =
        (int (*)(const void *, const void *))dlsym(RTLD_DEFAULT, "X509_check_private_key");
    void (*forget_errors)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "ERR_clear_error");
    void *key = otaferry_tls_read(path, "PEM_read_bio_PrivateKey", &was_asked);
    if (!key) return was_asked ? OTAFERRY_KEY_ENCRYPTED : OTAFERRY_KEY_ABSENT;
    void *certificate = otaferry_tls_read(certificate_path, "PEM_read_bio_X509_AUX", &was_asked);
    int answer = OTAFERRY_KEY_FITS;
    if (certificate && fits && fits(certificate, key) != 1) answer = OTAFERRY_KEY_OF_ANOTHER;
    otaferry_tls_release(certificate, "X509_free");
    otaferry_tls_release(key, "EVP_PKEY_free");
    if (forget_errors) forget_errors();
    return answer;
}

/* The first common name of the certificate, or with `is_whole` its whole subject as Mosquitto writes it for
   use_subject_as_username (RFC 2253), ended by a zero; 0 where there is none that fits. */
static inline int otaferry_tls_subject(const char *path, int is_whole, char *text, int size) {
    const int common_name = 13;                 /* NID_commonName */
    const unsigned long as_rfc2253 = 0x1110317; /* XN_FLAG_RFC2253 */
    int was_asked = 0, length = 0;
    void *(*subject)(const void *) = (void *(*)(const void *))dlsym(RTLD_DEFAULT, "X509_get_subject_name");
    int (*entry)(void *, int, char *, int) =
        (int (*)(void *, int, char *, int))dlsym(RTLD_DEFAULT, "X509_NAME_get_text_by_NID");
    int (*print)(void *, void *, int, unsigned long) =
        (int (*)(void *, void *, int, unsigned long))dlsym(RTLD_DEFAULT, "X509_NAME_print_ex");
    void *(*memory)(void) = (void *(*)(void))dlsym(RTLD_DEFAULT, "BIO_s_mem");
    void *(*new_sink)(void *) = (void *(*)(void *))dlsym(RTLD_DEFAULT, "BIO_new");
    int (*read_sink)(void *, void *, int) = (int (*)(void *, void *, int))dlsym(RTLD_DEFAULT, "BIO_read");
    void *certificate = otaferry_tls_read(path, "PEM_read_bio_X509_AUX", &was_asked);
    if (certificate && subject && entry && print && memory && new_sink && read_sink) {
        if (is_whole) {
            void *sink = new_sink(memory());
            if (sink && print(sink, subject(certificate), 0, as_rfc2253) >= 0) length = read_sink(sink, text, size - 1);
            otaferry_tls_release(sink, "BIO_free");
        } else {
            length = entry(subject(certificate), common_name, text, size);
        }
    }
    otaferry_tls_release(certificate, "X509_free");
    if (length <= 0) return 0;
    text[length < size ? length : size - 1] = 0;
    return 1;
}

/* Whether the functions above are there. */
static inline int otaferry_tls_is_known(void) {
    const char *names[] = {"BIO_new_file", "BIO_free", "PEM_read_bio_X509_AUX", "PEM_read_bio_PrivateKey", "X509_free",
                           "EVP_PKEY_free", "ERR_clear_error"};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        if (!dlsym(RTLD_DEFAULT, names[index])) return 0;
    }
    return 1;
}
#endif
