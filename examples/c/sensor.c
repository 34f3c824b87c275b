//  A sensor: sensor NAME. Each second it tells the group "temperature" what it measures,
//  and it shows what others do. What the numbers are in, a header says.

#include "example.h"
#include <time.h>

static int64_t
milliseconds (void)
{
    struct timespec at;
    clock_gettime (CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

int
main (int argc, char **argv)
{
    once_event_t event = {0};
    once_peer_t peer;
    must (once_node_new (argc > 1? argv [1]: "", ONCE_TEXT, &node));
    must (once_node_set_header (node, "unit", ONCE_TEXT, "°C", ONCE_TEXT));
    must (once_node_join (node, "temperature", ONCE_TEXT));
    must (once_node_start (node, ONCE_FOREVER, 0));
    for (int64_t due = milliseconds ();; due += 1000) {
        char reading [16];
        size_t length = (size_t) snprintf (reading, sizeof reading, "%.1f", 20 + rand () % 50 / 10.0);
        uint32_t peers;
        must (once_node_shout (node, "temperature", ONCE_TEXT, reading, &length, 1, ONCE_FOREVER, 0, &peers));
        int64_t left;
        while ((left = due + 1000 - milliseconds ()) > 0)
            if (take (&event, &peer, left) && event.type == ONCE_EVENT_TYPE_SHOUT) {
                printf ("%.*s measures %.*s %.*s\n", TEXT (peer.name), TEXT (frame (event.msg, 0)), TEXT (once_peer_header (&peer, "unit")));
                fflush (stdout);
            }
    }
}
