//  Proves that calls which send and receive take no memory from C's heap: it stands in
//  place of malloc and its like, and counts.

#include <once.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc (size_t size);
extern void *__libc_calloc (size_t count, size_t size);
extern void *__libc_realloc (void *old, size_t size);

static __thread long taken;     //  by this thread

void *malloc (size_t size) { taken++; return __libc_malloc (size); }
void *calloc (size_t count, size_t size) { taken++; return __libc_calloc (count, size); }
void *realloc (void *old, size_t size) { taken++; return __libc_realloc (old, size); }

static char buffer [1 << 18];

static once_node_t
start (const char *name)
{
    once_node_t node;
    if (once_node_new (name, ONCE_TEXT, &node) || once_node_set_interface (node, "127.0.0.1", ONCE_TEXT)
    || once_node_set_port (node, 25673) || once_node_start (node, ONCE_FOREVER, 0))
        exit (1);
    return node;
}

//  Takes events until so many whispers have come, or a peer enters; returns the peer.
static once_uuid_t
receive (once_node_t node, int whispers)
{
    once_event_t event;
    once_peer_t peer;
    for (;;) {
        size_t size, offset = 0;
        if (once_node_recv_batch (node, buffer, sizeof buffer, 30000, 0, &size))
            exit (1);
        while (once_next (once_event, &event, buffer, size, &offset))
            if (event.type == (whispers? ONCE_EVENT_TYPE_WHISPER: ONCE_EVENT_TYPE_ENTER) && --whispers <= 0) {
                if (!once_peer_read (&peer, buffer, size, event.peer))
                    exit (1);
                return peer.uuid;
            }
    }
}

int
main (void)
{
    once_node_t ana = start ("ana"), ben = start ("ben");
    once_uuid_t peer = receive (ana, 0);
    receive (ben, 0);
    long before = 0;
    for (int round = 0; round < 2; round++) {   //  the first may set something up
        before = taken;
        for (int i = 0; i < 1000; i++) {
            size_t size = 64;
            once_node_whisper_to_t all = {ana, peer, 0, 0};
            if (once_node_whisper (ana, &peer, buffer, &size, 1, ONCE_FOREVER, 0)
            || once_node_whisper_to (&all, buffer, size))
                return 1;
        }
        receive (ben, 2000);
    }
    long blocks = taken - before;
    printf ("%ld blocks for 2000 whispers\n", blocks);
    once_close (ana);
    once_close (ben);
    return blocks? 1: 0;
}
