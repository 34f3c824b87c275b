//  What is the same for all classes, before it enters Go.

#include "shim.h"
#include <stdlib.h>
#ifndef _WIN32
#include <pthread.h>
#endif

int once_forked;

#ifndef _WIN32
static void
forked (void)
{
    once_forked = 1;
}

__attribute__ ((constructor)) static void
watch_forks (void)
{
    pthread_atfork (NULL, NULL, forked);
}
#endif

int
once_compatible (int abi, const char *model)
{
    return abi == ONCE_ABI && model && strcmp (model, ONCE_MODEL) == 0? 0: ONCE_ERR_MISMATCH;
}

const char *
once_version (void)
{
    return ONCE_VERSION;
}

int
once_close (uint64_t handle)
{
    return once_forked? ONCE_ERR_FORKED: go_once_close (handle);
}

int
once_message (uint64_t handle, int code, once_data_t *result)
{
    if (once_forked)
        return ONCE_ERR_FORKED;
    return result? go_once_message (handle, code, result): ONCE_ERR_ARGUMENT;
}

void
once_free (once_data_t *data)
{
    if (data) {
        free (data->data);
        data->data = NULL;
        data->size = 0;
    }
}

int
once_cancel_new (once_cancel_t *result)
{
    if (once_forked)
        return ONCE_ERR_FORKED;
    return result? go_once_cancel_new (result): ONCE_ERR_ARGUMENT;
}

int
once_cancel (once_cancel_t self)
{
    return once_forked? ONCE_ERR_FORKED: go_once_cancel (self);
}

int
once_call_new (int64_t timeout, once_cancel_t cancel, once_calls_t calls, once_cancel_t *result)
{
    if (once_forked)
        return ONCE_ERR_FORKED;
    return result? go_once_call_new (timeout, cancel, calls, result): ONCE_ERR_ARGUMENT;
}

int
once_calls_new (once_calls_t *result)
{
    if (once_forked)
        return ONCE_ERR_FORKED;
    return result? go_once_calls_new (result): ONCE_ERR_ARGUMENT;
}

int
once_calls_next (once_calls_t self, int64_t timeout, once_cancel_t cancel, once_cancel_t *result)
{
    if (once_forked)
        return ONCE_ERR_FORKED;
    return result? go_once_calls_next (self, timeout, cancel, result): ONCE_ERR_ARGUMENT;
}

int
once_descriptor (uint64_t node, int *result)
{
    if (once_forked)
        return ONCE_ERR_FORKED;
    return result? go_once_descriptor (node, result): ONCE_ERR_ARGUMENT;
}
