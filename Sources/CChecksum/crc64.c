#include "crc64.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>
#ifndef HWCAP_PMULL
#define HWCAP_PMULL (1 << 4)
#endif
#endif

/* x^64 is left out; bit 63 - n stands for x^n. */
#define POLYNOMIAL 0xC96C5795D7870F42ULL

static uint64_t table[8][256];
/* Multiplying by them moves 128 bits on by so many bits, modulo the polynomial. */
static uint64_t fold_1024[2], fold_512[2], fold_128[2];
static int has_multiplication;
#if defined(__x86_64__)
static int has_wide_multiplication;
#endif
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* x^n modulo the polynomial. */
static uint64_t power(int n) {
    uint64_t value = 1ULL << 63;
    while (n-- > 0) value = value & 1 ? value >> 1 ^ POLYNOMIAL : value >> 1;
    return value;
}

static void prepare(void) {
    for (int byte = 0; byte < 256; byte++) {
        uint64_t value = (uint64_t)byte;
        for (int bit = 0; bit < 8; bit++) value = value & 1 ? value >> 1 ^ POLYNOMIAL : value >> 1;
        table[0][byte] = value;
    }
    for (int byte = 0; byte < 256; byte++)
        for (int more = 1; more < 8; more++)
            table[more][byte] = table[0][table[more - 1][byte] & 0xff] ^ table[more - 1][byte] >> 8;
    /* The product of two reflected numbers is one power of x too large, hence the - 1. The low half of 128 bits stands for
       the higher powers. */
    fold_1024[0] = power(1024 + 64 - 1);
    fold_1024[1] = power(1024 - 1);
    fold_512[0] = power(512 + 64 - 1);
    fold_512[1] = power(512 - 1);
    fold_128[0] = power(128 + 64 - 1);
    fold_128[1] = power(128 - 1);
#if defined(__x86_64__)
    __builtin_cpu_init();
    has_multiplication = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
    has_wide_multiplication =
        has_multiplication && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq");
#elif defined(__aarch64__)
    has_multiplication = (getauxval(AT_HWCAP) & HWCAP_PMULL) != 0;
#endif
}

static uint64_t by_table(uint64_t crc, const unsigned char *bytes, size_t count) {
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        word ^= crc;
        crc = 0;
        for (int index = 0; index < 8; index++) crc ^= table[7 - index][word >> (8 * index) & 0xff];
    }
    while (count-- > 0) crc = table[0][(crc ^ *bytes++) & 0xff] ^ crc >> 8;
    return crc;
}

#if defined(__x86_64__)

#define WITH_MULTIPLICATION __attribute__((target("pclmul,sse4.1")))
typedef __m128i block;

WITH_MULTIPLICATION static inline block load(const unsigned char *bytes) {
    return _mm_loadu_si128((const __m128i *)bytes);
}

WITH_MULTIPLICATION static inline block fold(block value, block by, block next) {
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(value, by, 0x00), _mm_clmulepi64_si128(value, by, 0x11)), next);
}

#elif defined(__aarch64__)

#define WITH_MULTIPLICATION __attribute__((target("+crypto")))
typedef uint64x2_t block;

WITH_MULTIPLICATION static inline block load(const unsigned char *bytes) { return vreinterpretq_u64_u8(vld1q_u8(bytes)); }

WITH_MULTIPLICATION static inline block fold(block value, block by, block next) {
    block low = vreinterpretq_u64_p128(vmull_p64((poly64_t)vgetq_lane_u64(value, 0), (poly64_t)vgetq_lane_u64(by, 0)));
    block high = vreinterpretq_u64_p128(vmull_p64((poly64_t)vgetq_lane_u64(value, 1), (poly64_t)vgetq_lane_u64(by, 1)));
    return veorq_u64(veorq_u64(low, high), next);
}

#endif

#ifdef WITH_MULTIPLICATION
/* Folds 64 bytes a step onto the next 64; what is left is congruent to the whole and goes through the table. */
WITH_MULTIPLICATION static uint64_t by_multiplication(uint64_t crc, const unsigned char *bytes, size_t count) {
    unsigned char first[16], rest[16];
    memcpy(first, bytes, 16);
    for (int index = 0; index < 8; index++) first[index] ^= (unsigned char)(crc >> (8 * index));
    block by_512, by_128, sums[4];
    memcpy(&by_512, fold_512, 16);
    memcpy(&by_128, fold_128, 16);
    sums[0] = load(first);
    for (int index = 1; index < 4; index++) sums[index] = load(bytes + 16 * index);
    for (bytes += 64, count -= 64; count >= 64; bytes += 64, count -= 64)
        for (int index = 0; index < 4; index++) sums[index] = fold(sums[index], by_512, load(bytes + 16 * index));
    block sum = sums[0];
    for (int index = 1; index < 4; index++) sum = fold(sum, by_128, sums[index]);
    memcpy(rest, &sum, 16);
    return by_table(by_table(0, rest, 16), bytes, count);
}
#endif

#if defined(__x86_64__)
/* The same with two multiplications at once, 128 bytes a step. */
__attribute__((target("avx2,vpclmulqdq"))) static uint64_t by_wide_multiplication(uint64_t crc,
                                                                                   const unsigned char *bytes,
                                                                                   size_t count) {
    unsigned char rest[128];
    __m256i sums[4], by = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)fold_1024));
    for (int index = 0; index < 4; index++) sums[index] = _mm256_loadu_si256((const __m256i *)(bytes + 32 * index));
    sums[0] = _mm256_xor_si256(sums[0], _mm256_set_epi64x(0, 0, 0, (long long)crc));
    for (bytes += 128, count -= 128; count >= 128; bytes += 128, count -= 128)
        for (int index = 0; index < 4; index++) {
            __m256i low = _mm256_clmulepi64_epi128(sums[index], by, 0x00);
            __m256i high = _mm256_clmulepi64_epi128(sums[index], by, 0x11);
            __m256i next = _mm256_loadu_si256((const __m256i *)(bytes + 32 * index));
            sums[index] = _mm256_xor_si256(_mm256_xor_si256(low, high), next);
        }
    for (int index = 0; index < 4; index++) _mm256_storeu_si256((__m256i *)(rest + 32 * index), sums[index]);
    return by_table(by_multiplication(0, rest, sizeof rest), bytes, count);
}
#endif

uint64_t otaferry_crc64(uint64_t crc, const void *bytes, size_t count) {
    pthread_once(&once, prepare);
#if defined(__x86_64__)
    if (has_wide_multiplication && count >= 1024) return by_wide_multiplication(crc, bytes, count);
#endif
#ifdef WITH_MULTIPLICATION
    if (has_multiplication && count >= 128) return by_multiplication(crc, bytes, count);
#endif
    return by_table(crc, bytes, count);
}
