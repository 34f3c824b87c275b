//  Go asks for the bounds of a thread's stack in each call that comes on another one, as
//  koffi of Node.js makes them. For a process's first thread glibc reads /proc/self/maps
//  to tell, which takes 50 microseconds. So it is asked once for each thread: the linker
//  has Go call what is here (--wrap, see install.sh).

#ifdef __linux__
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>

extern int __real_pthread_getattr_np (pthread_t thread, pthread_attr_t *attr) __attribute__ ((weak));

int
__wrap_pthread_getattr_np (pthread_t thread, pthread_attr_t *attr)
{
    static __thread void *base;
    static __thread size_t size;
    if (!pthread_equal (thread, pthread_self ()))
        return __real_pthread_getattr_np (thread, attr);
    if (size == 0) {
        int failed = __real_pthread_getattr_np (thread, attr);
        if (failed)
            return failed;
        pthread_attr_getstack (attr, &base, &size);
        return 0;
    }
    int failed = pthread_attr_init (attr);
    return failed? failed: pthread_attr_setstack (attr, base, size);
}
#endif
