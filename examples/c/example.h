//  What the examples share: errors end the program, and the buffer of events grows.

#include <once.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static once_node_t node;
static char *events;            //  a batch of events,
static size_t room, size, next; //  its memory and size, and where the next one begins

static void
must (int code)
{
    once_data_t said;
    if (code == ONCE_OK)
        return;
    once_message (node, code, &said);
    fprintf (stderr, "%s\n", (char *) said.data);
    exit (1);
}

//  Takes the next event and the peer that it is about; false if none came in so many
//  milliseconds. Both are good until the next call.
static inline bool
take (once_event_t *event, once_peer_t *peer, int64_t timeout)
{
    while (!once_next (once_event, event, events, size, &next)) {
        int code = once_node_recv_batch (node, events, room, timeout, 0, &size);
        next = 0;
        if (code == ONCE_ERR_ROOM) {
            room = size;
            events = realloc (events, room);
        }
        if (code != ONCE_OK)
            size = 0;
        if (code == ONCE_ERR_TIMED_OUT)
            return false;
        if (code != ONCE_ERR_ROOM)
            must (code);
    }
    if (!once_peer_read (peer, events, size, event->peer))
        exit (1);
    return true;
}

//  Returns a frame of a message, which is empty if there is no such one.
static inline once_text_t
frame (once_list_t list, int index)
{
    once_text_t found = {"", 0}, none = {"", 0};
    while (index-- >= 0)
        if (!once_list_next (&list, &found))
            return none;
    return found;
}

//  How printf takes a text: "%.*s".
#define TEXT(text) (int) (text).size, (text).data
