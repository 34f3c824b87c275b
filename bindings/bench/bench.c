//  What bench.py does, in C: bench ROLE WHAT COUNT SIZE PORT.

#include <once.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static once_node_t node;
static once_uuid_t peer;
static char buffer [1 << 18];
static size_t size, offset;

static void
must (int code)
{
    once_data_t said;
    if (code == 0)
        return;
    once_message (node, code, &said);
    fprintf (stderr, "%s\n", (char *) said.data);
    exit (1);
}

static double
now (void)
{
    struct timespec at;
    clock_gettime (CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

//  Takes the next event of a type.
static void
await (once_event_t *event, int type)
{
    do
        while (!once_next (once_event, event, buffer, size, &offset)) {
            must (once_node_recv_batch (node, buffer, sizeof buffer, ONCE_FOREVER, 0, &size));
            offset = 0;
        }
    while ((int) event->type != type);
}

static void
say (const void *data, size_t length)
{
    must (once_node_whisper (node, &peer, data, &length, 1, ONCE_FOREVER, 0));
}

static int
ascending (const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

int
main (int argc, char **argv)
{
    if (argc != 6)
        return 2;
    bool flood = strcmp (argv [2], "flood") == 0;
    int count = atoi (argv [3]);
    size_t length = (size_t) atol (argv [4]);
    char *octets = calloc (1, length + 1);
    double *times = calloc ((size_t) count, sizeof *times);
    once_event_t event;
    once_peer_t other;
    must (once_node_new (argv [1], ONCE_TEXT, &node));
    must (once_node_set_interface (node, "127.0.0.1", ONCE_TEXT));
    must (once_node_set_port (node, atoi (argv [5])));
    must (once_node_set_interval (node, 100));
    must (once_node_set_security (node, ONCE_NODE_SECURITY_PLAIN));
    must (once_node_start (node, ONCE_FOREVER, 0));
    await (&event, ONCE_EVENT_TYPE_ENTER);
    if (!once_peer_read (&other, buffer, size, event.peer))
        return 1;
    peer = other.uuid;
    double begin = now ();
    if (argv [1] [0] == 'b') {
        for (int i = 0; i < count; i++) {
            await (&event, ONCE_EVENT_TYPE_WHISPER);
            if (!flood)
                say (octets, length);
        }
        if (flood)
            say ("all", 3);
        await (&event, ONCE_EVENT_TYPE_EXIT);
    }
    else
    if (flood) {
        for (int i = 0; i < count; i++)
            say (octets, length);
        await (&event, ONCE_EVENT_TYPE_WHISPER);
        printf ("%.0f messages/s\n", count / (now () - begin));
    }
    else {
        for (int i = 0; i < count; i++) {
            begin = now ();
            say (octets, length);
            await (&event, ONCE_EVENT_TYPE_WHISPER);
            times [i] = now () - begin;
        }
        qsort (times, (size_t) count, sizeof *times, ascending);
        printf ("%.1f us\n", times [count / 2] * 1e6);
    }
    must (once_close (node));
    free (times);
    free (octets);
    return 0;
}
