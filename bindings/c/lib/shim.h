//  What the shims share.

#ifndef SHIM_H_INCLUDED
#define SHIM_H_INCLUDED

#include "once.h"
#include "_cgo_export.h"

//  Whether this process was forked from the one that loaded the library.
extern int once_forked;

//  The size of a text.
static inline size_t
once_size (const char *text, size_t size)
{
    if (!text)
        return 0;
    return size == ONCE_TEXT? strlen (text): size;
}

#endif
