#ifndef OTAFERRY_CLINUX_SHIM_H
#define OTAFERRY_CLINUX_SHIM_H
/* What Swift's Glibc module leaves out: it is built without _GNU_SOURCE. */
#include <malloc.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

extern int pthread_setname_np(pthread_t thread, const char *name);

/* Two arenas do for a handful of threads; free memory at their ends is kept, up to the limit, instead of being given back
   and faulted in again with every segment. The macros are negative numbers in parentheses, which Swift does not import. */
static inline void otaferry_tune_allocator(int kept_bytes) {
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, kept_bytes);
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

/* 1: kept by a time service, 0: not, -1: the kernel does not say. With no modes set nothing is changed. */
static inline int otaferry_clock_is_synchronized(void) {
    struct timex state = {0};
    if (adjtimex(&state) < 0) return -1;
    return (state.status & STA_UNSYNC) == 0;
}

static inline int otaferry_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/* On Linux the niceness belongs to the thread; PRIO_PROCESS is an enumerator of a type that Swift cannot pass on. */
static inline int otaferry_set_thread_niceness(int niceness) {
    return setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), niceness);
}
#endif
