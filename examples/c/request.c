//  Requests and replies: "request serve NAME" answers, "request ask NAME TEXT" asks
//  whoever serves. A request is a number and a text; its reply has the same number.

#include "example.h"
#include <ctype.h>

//  Whispers two frames.
static void
say (const once_peer_t *peer, once_text_t number, const char *text, size_t length)
{
    size_t sizes [] = {number.size, length};
    char *content = malloc (number.size + length + 1);
    memcpy (content, number.data, number.size);
    memcpy (content + number.size, text, length);
    must (once_node_whisper (node, &peer->uuid, content, sizes, 2, ONCE_FOREVER, 0));
    free (content);
}

static void
serve (void)
{
    once_event_t event = {0};
    once_peer_t peer;
    must (once_node_set_header (node, "service", ONCE_TEXT, "upper", ONCE_TEXT));
    must (once_node_start (node, ONCE_FOREVER, 0));
    while (take (&event, &peer, ONCE_FOREVER))
        if (event.type == ONCE_EVENT_TYPE_WHISPER) {
            once_text_t text = frame (event.msg, 1);
            char *reply = malloc (text.size + 1);
            for (size_t i = 0; i < text.size; i++)
                reply [i] = (char) toupper ((unsigned char) text.data [i]);
            say (&peer, frame (event.msg, 0), reply, text.size);
            free (reply);
        }
}

static void
ask (const char *text)
{
    once_event_t event = {0};
    once_peer_t peer;
    once_text_t number = {"1", 1};
    must (once_node_start (node, ONCE_FOREVER, 0));
    while (take (&event, &peer, ONCE_FOREVER)) {
        if (event.type == ONCE_EVENT_TYPE_ENTER && once_text_is (once_peer_header (&peer, "service"), "upper"))
            say (&peer, number, text, strlen (text));
        if (event.type == ONCE_EVENT_TYPE_WHISPER && once_text_is (frame (event.msg, 0), "1")) {
            printf ("%.*s\n", TEXT (frame (event.msg, 1)));
            return;
        }
    }
}

int
main (int argc, char **argv)
{
    bool asks = argc == 4 && strcmp (argv [1], "ask") == 0;
    if (!asks && !(argc == 3 && strcmp (argv [1], "serve") == 0)) {
        fprintf (stderr, "request serve NAME, or request ask NAME TEXT\n");
        return 2;
    }
    must (once_node_new (argv [2], ONCE_TEXT, &node));
    if (asks)
        ask (argv [3]);
    else
        serve ();
    must (once_close (node));
    free (events);
    return 0;
}
