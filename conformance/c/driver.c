//  The driver for C: driver FILE SCENARIO ROLE PORT DIRECTORY. It is C11, and C++ may
//  not compile it.

#include <once.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORDS = 16, PEERS = 8, BUFFER = 1 << 16 };

static struct { char name [64]; once_uuid_t id; char headers [4096]; size_t headers_size; uint32_t pairs; } peers [PEERS];
static once_node_t node;
static const char *line = "", *directory;
static int port, last_protection, log_lines;
static uint64_t last_question;
static once_data_t answered;
static uint64_t failed_at;
static char *buffer;
static size_t buffer_size = BUFFER, filled, at;

static void
wrong (const char *what)
{
    fprintf (stderr, "%s: %s\n", line, what);
    exit (1);
}

//  Ends the program unless a call has worked.
static void
must (int code)
{
    once_data_t said;
    if (code == 0)
        return;
    if (once_message (failed_at, code, &said) == 0)
        wrong ((char *) said.data);
    wrong (once_error_name (code));
}

typedef struct { unsigned char *data; size_t size; } frame_t;

//  The octets that a word stands for.
static frame_t
frame_of (const char *word)
{
    const char *value = strchr (word, ':') + 1;
    frame_t frame = { 0, strlen (value) };
    if (strncmp (word, "fill", 4) == 0 || strncmp (word, "long", 4) == 0)
        frame.size = (size_t) atol (value);
    else
    if (strncmp (word, "hex", 3) == 0)
        frame.size /= 2;
    frame.data = malloc (frame.size + 1);
    for (size_t i = 0; i < frame.size; i++) {
        unsigned octet = (unsigned char) value [0];
        if (word [0] == 'f')
            octet = (unsigned) (i * 7 % 256);
        else
        if (word [0] == 'l')
            octet = 'x';
        else
        if (word [0] == 'h')
            sscanf (value + 2 * i, "%2x", &octet);
        else
            octet = (unsigned char) value [i];
        frame.data [i] = (unsigned char) octet;
    }
    return frame;
}

//  What is said: whispered, if there is a peer, shouted, if there is a group, asked, or replied.
static int
say (const char *verb, const once_uuid_t *peer, const char *to, char **words, int count)
{
    size_t sizes [WORDS], size = 0;
    unsigned char *all = malloc (1);
    for (int i = 0; i < count; i++) {
        frame_t frame = frame_of (words [i]);
        all = realloc (all, size + frame.size + 1);
        memcpy (all + size, frame.data, frame.size);
        size += sizes [i] = frame.size;
        free (frame.data);
    }
    uint32_t receivers;
    int code = verb [0] == 'w'? once_node_whisper (node, peer, all, sizes, (size_t) count, ONCE_FOREVER, 0)
        : verb [0] == 's'? once_node_shout (node, to, ONCE_TEXT, all, sizes, (size_t) count, ONCE_FOREVER, 0, &receivers)
        : verb [0] == 'a'? once_node_ask (node, peer, all, sizes, (size_t) count, ONCE_FOREVER, 0, &answered)
        : once_node_reply (node, last_question, (uint32_t) strtoul (to, NULL, 10), all, sizes, (size_t) count, ONCE_FOREVER, 0);
    free (all);
    return code;
}

static void
log_line (void *context, int64_t level, const char *message, size_t message_size, const void *attributes, size_t attributes_size)
{
    (void) level, (void) message, (void) message_size, (void) attributes, (void) attributes_size;
    ++*(int *) context;
}

static once_node_t
make (const char *name)
{
    once_node_t made;
    failed_at = 0;
    must (once_node_new (name, ONCE_TEXT, &made));
    failed_at = made;
    must (once_node_set_interface (made, "127.0.0.1", ONCE_TEXT));
    must (once_node_set_port (made, port));
    must (once_node_set_interval (made, 100));
    must (once_node_set_linger (made, 500));
    return made;
}

static void
set_identity (once_node_t to, const char *name)
{
    char path [512];
    once_identity_t identity;
    snprintf (path, sizeof path, "%s/%s", directory, name);
    failed_at = 0;
    must (once_identity_new (path, ONCE_TEXT, &identity));
    failed_at = to;
    must (once_node_set_identity (to, identity));
    must (once_close (identity));
}

static void
set (char *setting)
{
    char *value = strchr (setting, '=');
    *value++ = 0;
    if (strcmp (setting, "security") == 0)
        must (once_node_set_security (node, strcmp (value, "plain") == 0? ONCE_NODE_SECURITY_PLAIN: ONCE_NODE_SECURITY_SECURE));
    else
    if (strcmp (setting, "identity") == 0)
        set_identity (node, value);
    else
    if (strcmp (setting, "log") == 0)
        must (once_node_set_log (node, log_line, &log_lines));
    else {
        char *content = strchr (value, '=');
        *content++ = 0;
        must (once_node_set_header (node, value, ONCE_TEXT, content, ONCE_TEXT));
    }
}

static int
known (once_text_t name)
{
    int i = 0;
    while (i < PEERS - 1 && peers [i].name [0] && !once_text_is (name, peers [i].name))
        i++;
    return i;
}

static const once_uuid_t *
peer_named (const char *name)
{
    static once_uuid_t id;
    memset (&id, 0, sizeof id);
    if (strcmp (name, "self") == 0)
        must (once_node_uuid (node, &id));
    else
    if (strcmp (name, "nobody") == 0)
        id.octets [15] = 7;
    else
        return &peers [known ((once_text_t) { name, strlen (name) })].id;
    return &id;
}

static const char *types [] = {
    "", "enter", "exit", "join", "leave", "whisper", "shout"
};

//  Notes who an event is about.
static int
meet (const once_event_t *event)
{
    once_peer_t peer;
    if (!once_peer_read (&peer, buffer, filled, event->peer))
        wrong ("an event has no peer");
    int i = known (peer.name);
    snprintf (peers [i].name, sizeof peers [i].name, "%.*s", (int) peer.name.size, peer.name.data);
    peers [i].id = peer.uuid;
    peers [i].headers_size = (size_t) (peer.headers.end - peer.headers.at);
    peers [i].pairs = peer.headers.count;
    memcpy (peers [i].headers, peer.headers.at, peers [i].headers_size);
    return i;
}

static once_event_t
next_event (void)
{
    once_event_t event = { .peer = 0 };
    while (!once_next (once_event, &event, buffer, filled, &at)) {
        at = filled = 0;
        int code = once_node_recv_batch (node, buffer, buffer_size, 30000, 0, &filled);
        if (code == ONCE_ERR_ROOM) {
            buffer = realloc (buffer, buffer_size = filled);
            filled = 0;
        }
        else
            must (code);
    }
    return event;
}

static void
compare (once_list_t msg, char **words, int count)
{
    if ((int) msg.count != count)
        wrong ("it has another number of frames");
    once_text_t got;
    for (int word = 0; once_list_next (&msg, &got); word++) {
        frame_t frame = frame_of (words [word]);
        if (frame.size != got.size || memcmp (frame.data, got.data, got.size))
            wrong ("a frame is not what was sent");
        free (frame.data);
    }
}

//  Holds what the last ask has returned against what it should be.
static void
answer (char **words, int count)
{
    once_event_t event = { .peer = 0 }, next;
    size_t offset = 0;
    while (once_next (once_event, &next, answered.data, answered.size, &offset))
        event = next;
    if (event.status != strtoul (words [0], NULL, 10))
        wrong ("the status is another");
    compare (event.msg, words + 1, count - 1);
    once_free (&answered);
}

static void
expect (char **words, int count)
{
    while (true) {
        once_event_t event = next_event ();
        int i = meet (&event);
        if (event.type > 6 || strcmp (types [event.type], words [0]) || strcmp (peers [i].name, words [1]))
            continue;
        last_protection = event.protection;
        last_question = event.question;
        int word = 2;
        if (word < count && !strchr (words [word], ':')
        && !once_text_is (event.type == ONCE_EVENT_TYPE_EXIT? event.reason: event.group, words [word++]))
            wrong ("it is another group or reason");
        compare (event.msg, words + word, count - word);
        return;
    }
}

static int busy;

static void *
receive (void *cancel)
{
    char space [256];
    size_t size;
    int code = once_node_recv_batch (node, space, sizeof space, ONCE_FOREVER, *(once_cancel_t *) cancel, &size);
    if (code == ONCE_ERR_BUSY)
        __atomic_fetch_add (&busy, 1, __ATOMIC_SEQ_CST);
    return (void *) (intptr_t) code;
}

//  Two threads receive; which of them is told busy is open.
static void
twice (void)
{
    pthread_t threads [2];
    void *codes [2];
    once_cancel_t cancel;
    must (once_cancel_new (&cancel));
    for (int i = 0; i < 2; i++)
        pthread_create (&threads [i], NULL, receive, &cancel);
    while (__atomic_load_n (&busy, __ATOMIC_SEQ_CST) == 0)
        sched_yield ();
    must (once_cancel (cancel));
    for (int i = 0; i < 2; i++)
        pthread_join (threads [i], &codes [i]);
    must (once_close (cancel));
    int first = (int) (intptr_t) codes [0], second = (int) (intptr_t) codes [1];
    if (first + second != ONCE_ERR_BUSY + ONCE_ERR_CANCELED)
        wrong ("one was to be told busy, and the other canceled");
}

//  Null pointers where there should be something.
static void
nothing (const char *where)
{
    size_t one = 1;
    once_node_whisper_to_t all = { node, *peer_named ("nobody"), 0, 0 };
    int code, packed;
    if (strcmp (where, "peer") == 0) {
        code = once_node_whisper (node, NULL, "x", &one, 1, 0, 0);
        packed = once_node_whisper_to (NULL, "x", 1);
    }
    else
    if (strcmp (where, "content") == 0) {
        code = once_node_whisper (node, &all.to, NULL, NULL, 0, 0, 0);
        packed = once_node_whisper_to (&all, NULL, 0);
    }
    else {
        code = once_node_whisper (node, &all.to, NULL, &one, 1, 0, 0);
        packed = once_node_whisper_to (&all, NULL, 1);
    }
    if (code == 0 || packed == 0)
        wrong ("it did not fail");
}

//  Names each method of methods.txt: what is missing does not compile.
static void
methods (void)
{
#define METHOD(name) { #name, (void (*) (void)) name },
#define FIELD(record, name) { #record "." #name, (void (*) (void)) (intptr_t) (offsetof (record ## _t, name) + 1) },
    static const struct { const char *name; void (*there) (void); } all [] = {
#include "methods.inc"
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!all [i].there)
            wrong (all [i].name);
}

//  Arguments that are wrong, of types that can hold such. What the call said is noted.
static void
mistake (const char *argument)
{
    size_t one = 1;
    int code = strcmp (argument, "security") == 0? once_node_set_security (node, 258)
        : strcmp (argument, "port") == 0? once_node_set_port (node, INT64_MIN)
        : strcmp (argument, "interval") == 0? once_node_set_interval (node, -1)
        : strcmp (argument, "timeout") == 0? once_node_flush (node, ONCE_LONGEST + 1, 0)
        : strcmp (argument, "group") == 0? once_node_join (node, NULL, 7)
        : strcmp (argument, "contest") == 0? once_node_set_contest_in_group (node, "\xff", ONCE_TEXT)
        : strcmp (argument, "peer") == 0? once_node_whisper (node, NULL, "x", &one, 1, 0, 0)
        : strcmp (argument, "content") == 0? once_node_whisper (node, peer_named ("nobody"), NULL, &one, 1, 0, 0)
        : 0;
    once_data_t said = { 0, 0 };
    setenv ("SAID", argument, 1);
    if (code == 0) {
        if (!strstr ("status groups headers shared identity", argument))
            wrong ("it did not fail");
        return;
    }
    if (code != ONCE_ERR_ARGUMENT)
        wrong (once_error_name (code));
    must (once_message (node, code, &said));
    setenv ("SAID", said.data, 1);
    once_free (&said);
}

static void
tell (const char *word)
{
    char answer [8];
    printf ("%s\n", word);
    fflush (stdout);
    if (!fgets (answer, sizeof answer, stdin))
        wrong ("the runner is gone");
}

static void
header (char **words)
{
    once_peer_t peer = { .name = { 0, 0 } };
    int i = known ((once_text_t) { words [0], strlen (words [0]) });
    peer.headers = (once_list_t) { (uint8_t *) peers [i].headers, (uint8_t *) peers [i].headers + peers [i].headers_size, peers [i].pairs };
    if (!once_text_is (once_peer_header (&peer, words [1]), words [2]))
        wrong ("the header is another");
}

static int
count_records (const once_data_t *data)
{
    once_peer_t peer;
    size_t offset = 0;
    int count = 0;
    while (once_next (once_peer, &peer, data->data, data->size, &offset))
        count++;
    return count;
}

//  Does what may fail, and returns how it went.
static int
attempt (char **words, int count, int64_t timeout)
{
    const char *verb = words [0];
    once_data_t data = { 0, 0 };
    int code = 0;
    if (strcmp (verb, "start") == 0)
        return once_node_start (node, ONCE_FOREVER, 0);
    if (strcmp (verb, "stop") == 0)
        return once_node_stop (node);
    if (strcmp (verb, "close") == 0)
        return once_close (node);
    if (strcmp (verb, "flush") == 0)
        return once_node_flush (node, timeout, 0);
    if (strcmp (verb, "leave") == 0)
        return once_node_leave (node, words [1], ONCE_TEXT);
    if (strcmp (verb, "sethead") == 0)
        return once_node_set_header (node, words [1], ONCE_TEXT, words [2], ONCE_TEXT);
    if (strcmp (verb, "shout") == 0)
        return say (verb, NULL, words [1], words + 2, count - 2);
    if (strcmp (verb, "whisper") == 0 || strcmp (verb, "ask") == 0)
        return say (verb, peer_named (words [1]), NULL, words + 2, count - 2);
    if (strcmp (verb, "reply") == 0)
        return say (verb, NULL, words [1], words + 2, count - 2);
    if (strcmp (verb, "join") == 0) {
        if (!strchr (words [1], ':'))
            return once_node_join (node, words [1], ONCE_TEXT);
        frame_t frame = frame_of (words [1]);
        code = once_node_join (node, (char *) frame.data, frame.size);
        free (frame.data);
        return code;
    }
    if (strcmp (verb, "recv") == 0) {
        while ((code = once_node_recv (node, timeout, 0, &data)) == 0)
            once_free (&data);
        return code;
    }
    if (strcmp (verb, "second") == 0) {
        once_node_t other = make (words [1]);
        set_identity (other, words [1]);
        return once_node_start (other, ONCE_FOREVER, 0);
    }
    wrong ("no such verb");
    return 0;
}

static void
should_fail (const char *name, char **words, int count, int64_t timeout)
{
    char wanted [64];
    snprintf (wanted, sizeof wanted, "%s", name);
    for (char *p = wanted; *p; p++)
        if (*p == '-')
            *p = ' ';
    int code = attempt (words, count, timeout);
    if (strcmp (once_error_name (code), wanted))
        wrong (code? once_error_name (code): "it did not fail");
    once_data_t said;
    static char text [4096];
    must (once_message (node, code, &said));
    snprintf (text, sizeof text, "%s", (char *) said.data);
    once_free (&said);
    setenv ("SAID", text, 1);
}

static void
run (char **words, int count)
{
    const char *verb = words [0];
    once_data_t data = { 0, 0 };
    failed_at = node;
    if (strcmp (verb, "node") == 0) {
        node = make (words [1]);
        for (int i = 2; i < count; i++)
            set (words [i]);
    }
    else
    if (strcmp (verb, "expect") == 0)
        expect (words + 1, count - 1);
    else
    if (strcmp (verb, "answer") == 0)
        answer (words + 1, count - 1);
    else
    if (strcmp (verb, "header") == 0) {
        words [4] = count > 3 && words [3]? words [3]: "";
        header (words + 1);
    }
    else
    if (strcmp (verb, "protection") == 0) {
        const char *names [] = { "", "plain", "curve", "sealed" };
        if (last_protection > 3 || strcmp (names [last_protection], words [1]))
            wrong ("it was protected otherwise");
    }
    else
    if (strcmp (verb, "peers") == 0) {
        must (once_node_peers (node, &data));
        if (count_records (&data) != atoi (words [1]))
            wrong ("there are others");
        once_free (&data);
    }
    else
    if (strcmp (verb, "own") == 0) {
        must (once_node_own_groups (node, &data));
        if ((int) once_list_of (&data, false).count != atoi (words [1]))
            wrong ("there are others");
        once_free (&data);
    }
    else
    if (strcmp (verb, "text") == 0) {
        must (once_node_name (node, &data));
        if (strcmp (data.data, words [2]))
            wrong ("it is another");
        once_free (&data);
    }
    else
    if (strcmp (verb, "error") == 0)
        should_fail (words [1], words + 2, count - 2, ONCE_FOREVER);
    else
    if (strcmp (verb, "timeout") == 0)
        should_fail ("timed-out", words + 1, count - 1, 100);
    else
    if (strcmp (verb, "message") == 0) {
        if (!strstr (getenv ("SAID"), words [1]))
            wrong (getenv ("SAID"));
    }
    else
    if (strcmp (verb, "logged") == 0) {
        if (log_lines == 0)
            wrong ("nothing was logged");
    }
    else
    if (strcmp (verb, "twice") == 0)
        twice ();
    else
    if (strcmp (verb, "nothing") == 0)
        nothing (words [1]);
    else
    if (strcmp (verb, "methods") == 0)
        methods ();
    else
    if (strcmp (verb, "ping") == 0) {
        uint64_t took = 0;
        must (once_node_ping (node, peer_named (words [1]), 10000, 0, &took));
        if (took == 0)
            wrong ("it took no time");
    }
    else
    if (strcmp (verb, "wrong") == 0)
        mistake (words [1]);
    else
    if (strcmp (verb, "die") == 0)
        kill (getpid (), SIGKILL);
    else
    if (strcmp (verb, "kill") == 0 || strcmp (verb, "stall") == 0 || strcmp (verb, "awaitstall") == 0)
        tell (verb);
    else
        must (attempt (words, count, 10000));
}

int
main (int argc, char **argv)
{
    if (argc != 6 || once_compatible (ONCE_ABI, ONCE_MODEL))
        return 2;
    port = atoi (argv [4]);
    directory = argv [5];
    buffer = malloc (buffer_size);
    FILE *file = fopen (argv [1], "r");
    char text [1024], kept [1024];
    bool mine = false;
    while (file && fgets (text, sizeof text, file)) {
        text [strcspn (text, "\n")] = 0;
        if (strncmp (text, "scenario ", 9) == 0)
            mine = strcmp (text + 9, argv [2]) == 0;
        else
        if (mine && text [0] == argv [3][0] && text [1] == ' ') {
            char *words [WORDS] = { 0 };
            int count = 0;
            strcpy (kept, text);
            if (getenv ("TRACE"))
                fprintf (stderr, "%s\n", text);
            line = kept;
            for (char *rest = text + 2; rest && count < WORDS - 1;)
                words [count++] = strsep (&rest, " ");
            run (words, count);
        }
    }
    puts ("done");
    free (buffer);
    return 0;
}
