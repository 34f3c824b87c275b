//  A chat: chat NAME. What you type goes to everybody in the group "chat".

#include "example.h"
#include <poll.h>

static void
show (const once_event_t *event, const once_peer_t *peer)
{
    if (event->type == ONCE_EVENT_TYPE_JOIN)
        printf ("* %.*s is here\n", TEXT (peer->name));
    else
    if (event->type == ONCE_EVENT_TYPE_EXIT)
        printf ("* %.*s has left\n", TEXT (peer->name));
    else
    if (event->type == ONCE_EVENT_TYPE_SHOUT)
        printf ("%.*s: %.*s\n", TEXT (peer->name), TEXT (frame (event->msg, 0)));
    fflush (stdout);
}

int
main (int argc, char **argv)
{
    once_event_t event = {0};
    once_peer_t peer;
    int descriptor;
    char line [1024];
    must (once_node_new (argc > 1? argv [1]: "", ONCE_TEXT, &node));
    must (once_node_join (node, "chat", ONCE_TEXT));
    must (once_node_start (node, ONCE_FOREVER, 0));
    must (once_descriptor (node, &descriptor));
    setvbuf (stdin, NULL, _IONBF, 0);   //  else poll would not see what is read ahead
    struct pollfd ready [] = {{0, POLLIN, 0}, {descriptor, POLLIN, 0}};
    while (poll (ready, 2, -1) > 0) {
        while (take (&event, &peer, 0))
            show (&event, &peer);
        if (ready [0].revents == 0)
            continue;
        if (!fgets (line, sizeof line, stdin))
            break;
        size_t length = strcspn (line, "\n");
        uint32_t peers;
        must (once_node_shout (node, "chat", ONCE_TEXT, line, &length, 1, ONCE_FOREVER, 0, &peers));
    }
    must (once_close (node));
    free (events);
    return 0;
}
