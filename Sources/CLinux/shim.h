#ifndef OTAFERRY_CLINUX_SHIM_H
#define OTAFERRY_CLINUX_SHIM_H
/* What Swift's Glibc module leaves out: it is built without _GNU_SOURCE. */
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

extern int pthread_setname_np(pthread_t thread, const char *name);

static inline int otaferry_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/* On Linux the niceness belongs to the thread; PRIO_PROCESS is an enumerator of a type that Swift cannot pass on. */
static inline int otaferry_set_thread_niceness(int niceness) {
    return setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), niceness);
}
#endif
