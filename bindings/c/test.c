//  What the header promises of handles, processes and signals, beside what the scenarios
//  of conformance show. test LIBRARY COPY: the second is a copy of the first.

#include <once.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEMAND(what) do { if (!(what)) { fprintf (stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); exit (1); } } while (0)

static once_node_t
make (int port)
{
    once_node_t node;
    DEMAND (once_node_new ("test", ONCE_TEXT, &node) == 0);
    DEMAND (once_node_set_interface (node, "127.0.0.1", ONCE_TEXT) == 0);
    DEMAND (once_node_set_port (node, port) == 0);
    return node;
}

//  Resident memory in KiB, and how many descriptors are open.
static long
resident (void)
{
    long total = 0, pages = 0;
    FILE *file = fopen ("/proc/self/statm", "r");
    if (!file || fscanf (file, "%ld %ld", &total, &pages) != 2)
        pages = 0;
    if (file)
        fclose (file);
    return pages * (sysconf (_SC_PAGESIZE) / 1024);
}

static int
descriptors (void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl (fd, F_GETFD) != -1;
    return count;
}

//  A thousand nodes are made, used and closed, and nothing grows.
static void
cycles (int rounds, int port)
{
    long before = 0;
    int open = 0;
    for (int i = 0; i < rounds; i++) {
        if (i == rounds / 4) {
            before = resident ();
            open = descriptors ();
        }
        once_node_t node = make (port);
        once_data_t data;
        int fd;
        DEMAND (once_node_join (node, "room", ONCE_TEXT) == 0);
        DEMAND (once_node_start (node, ONCE_FOREVER, 0) == 0);
        DEMAND (once_descriptor (node, &fd) == 0);
        DEMAND (once_node_own_groups (node, &data) == 0);
        once_free (&data);
        once_free (&data);
        once_files_t files;
        DEMAND (once_files_new (node, &files) == 0);
        DEMAND (once_close (node) == 0);
        DEMAND (once_close (node) == 0);
        DEMAND (once_close (files) == 0);
        DEMAND (once_files_gone (files, &(once_uuid_t) {{0}}) == ONCE_ERR_HANDLE);
    }
    printf ("%d cycles: from %ld to %ld KiB, from %d to %d descriptors\n", rounds, before, resident (), open, descriptors ());
    DEMAND (rounds < 100 || descriptors () <= open);
    DEMAND (rounds < 1000 || resident () < before + 16 * 1024);
}

//  What is not right is an error and no crash.
static void
misuse (void)
{
    once_node_t node = make (0), made;
    once_data_t data;
    once_uuid_t id;
    size_t size;
    char space [16];
    DEMAND (once_compatible (ONCE_ABI, ONCE_MODEL) == 0);
    DEMAND (once_compatible (ONCE_ABI + 1, ONCE_MODEL) == ONCE_ERR_MISMATCH);
    DEMAND (once_compatible (ONCE_ABI, "other") == ONCE_ERR_MISMATCH);
    DEMAND (once_compatible (ONCE_ABI, NULL) == ONCE_ERR_MISMATCH);
    DEMAND (once_node_new (NULL, 0, NULL) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_new (NULL, 7, &made) == 0);   // a null pointer is an empty text
    DEMAND (once_close (made) == 0);
    DEMAND (once_node_name (node, NULL) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_name (node + 1, &data) == ONCE_ERR_HANDLE);
    DEMAND (once_close (UINT64_MAX) == ONCE_ERR_HANDLE);
    DEMAND (once_close (0) == ONCE_ERR_HANDLE);
    DEMAND (once_node_whisper (node, NULL, "x", NULL, 1, 0, 0) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_whisper (node, NULL, "x", NULL, SIZE_MAX, 0, 0) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_whisper (node, NULL, NULL, &(size_t) {SIZE_MAX}, 1, 0, 0) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_whisper (node, NULL, NULL, NULL, 0, 0, 0) == ONCE_ERR_ARGUMENT);
    once_node_whisper_to_t all = {node, {{0}}, 0, 0}, other = {node + 1, {{0}}, 0, 0}, ends = {node, {{0}}, 0, node};
    DEMAND (once_node_whisper_to (NULL, "x", 1) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_whisper_to (NULL, NULL, 0) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_whisper_to (&all, NULL, 1) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_whisper_to (&all, "x", SIZE_MAX) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_whisper_to (&all, NULL, 0) == ONCE_ERR_NOT_RUNNING);  // an empty frame is one
    DEMAND (once_node_whisper_to (&other, "x", 1) == ONCE_ERR_HANDLE);
    DEMAND (once_node_whisper_to (&ends, "x", 1) == ONCE_ERR_HANDLE);
    DEMAND (once_node_shout (node, "g", 1, "x", &(size_t) {1}, 1, 0, 0, NULL) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_shout (node, NULL, 7, "x", &(size_t) {1}, 1, 0, 0, &(uint32_t) {0}) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_shout (node, "g", 1, NULL, NULL, 0, 0, 0, &(uint32_t) {0}) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_shout (node, "g", 1, "x", NULL, 1, 0, 0, &(uint32_t) {0}) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_ask (node, NULL, NULL, NULL, 0, 0, 0, &data) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_ask (node, NULL, "x", &(size_t) {1}, 1, 0, 0, NULL) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_reply (node, 1, 0, "x", NULL, 1, 0, 0) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_reply (node, 1, 0, NULL, NULL, SIZE_MAX, 0, 0) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_set_identity (node, node) == ONCE_ERR_HANDLE);
    DEMAND (once_node_join (node, "room", SIZE_MAX - 1) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_join (node, "Z\xfcrich", ONCE_TEXT) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_set_security (node, 258) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_set_security (node, 0) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_set_interval (node, -1) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_set_interval (node, INT64_MAX) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_flush (node, -2, 0) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_flush (node, ONCE_LONGEST + 1, 0) == ONCE_ERR_ARGUMENT);
    once_cancel_t call;
    once_calls_t calls;
    DEMAND (once_calls_new (NULL) == ONCE_ERR_ARGUMENT);
    DEMAND (once_calls_new (&calls) == 0);
    DEMAND (once_call_new (0, 0, 0, NULL) == ONCE_ERR_ARGUMENT);
    DEMAND (once_call_new (-2, 0, 0, &call) == ONCE_ERR_ARGUMENT);
    DEMAND (once_call_new (0, node, 0, &call) == ONCE_ERR_HANDLE);
    DEMAND (once_call_new (0, 0, node, &call) == ONCE_ERR_HANDLE);
    DEMAND (once_call_new (ONCE_FOREVER, 0, calls, &call) == 0);
    DEMAND (once_node_flush (node, 0, calls) == ONCE_ERR_HANDLE);
    DEMAND (once_calls_next (calls, ONCE_FOREVER, 0, NULL) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_recv (node, 0, call, &data) == ONCE_ERR_PENDING && once_cancel (call) == 0);
    once_cancel_t told;
    DEMAND (once_calls_next (calls, 20000, 0, &told) == 0 && told == call);
    DEMAND (once_node_recv (node, 0, call, &data) == ONCE_ERR_CANCELED);
    DEMAND (once_node_flush (node, ONCE_FOREVER, call) == ONCE_ERR_NOT_RUNNING);
    DEMAND (once_calls_next (calls, 0, 0, &told) == ONCE_ERR_TIMED_OUT);    // it is taken already
    DEMAND (once_calls_next (node, 0, 0, &told) == ONCE_ERR_HANDLE);
    DEMAND (once_close (call) == 0 && once_close (call) == 0 && once_close (calls) == 0);
    DEMAND (once_node_set_linger (node, INT64_MAX) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_set_linger (node, INT64_MIN) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_set_port (node, INT64_MIN) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_set_security (node, 200) == ONCE_ERR_ARGUMENT);
    DEMAND (once_node_start (node, ONCE_FOREVER, node) == ONCE_ERR_HANDLE);
    DEMAND (once_node_recv_batch (node, space, sizeof space, 0, 0, NULL) == ONCE_ERR_ARGUMENT);
    DEMAND (once_descriptor (12345, &(int) {0}) == ONCE_ERR_HANDLE);
    DEMAND (once_message (node, ONCE_ERR_ARGUMENT, &data) == 0 && data.size > 0);
    once_free (&data);
    DEMAND (strcmp (once_error_name (ONCE_ERR_NO_PEER), "no peer") == 0 && *once_error_name (77) == 0);
    once_cancel_t cancel;
    DEMAND (once_cancel_new (&cancel) == 0 && once_cancel (cancel) == 0);
    DEMAND (once_node_set_port (node, 5999) == 0 && once_node_start (node, ONCE_FOREVER, 0) == 0);
    DEMAND (once_node_recv_batch (node, space, sizeof space, ONCE_FOREVER, cancel, &size) == ONCE_ERR_CANCELED);
    DEMAND (once_close (cancel) == 0 && once_cancel (cancel) == ONCE_ERR_HANDLE);
    DEMAND (once_node_uuid (node, &id) == 0 && once_close (node) == 0);
    once_event_t event;
    for (size_t n = 0; n < 64; n++) {    // what is cut off or made up is no record
        unsigned char junk [64];
        size_t offset = 0;
        memset (junk, (int) (n * 37 + 4), sizeof junk);
        DEMAND (!once_next (once_event, &event, junk, n, &offset));
    }
}

//  A child that was forked is told so; one that calls exec, and the parent, go on.
static void
forks (const char *self, const char *library, const char *copy)
{
    once_node_t node = make (5998);
    DEMAND (once_node_start (node, ONCE_FOREVER, 0) == 0);
    int status = 0, fd = -1;
    DEMAND (once_descriptor (node, &fd) == 0);
    pid_t child = fork ();
    if (child == 0) {
        once_data_t data;
        alarm (20);
        bool told = once_node_name (node, &data) == ONCE_ERR_FORKED && once_close (node) == ONCE_ERR_FORKED;
        _exit (told? 0: 1);
    }
    DEMAND (waitpid (child, &status, 0) == child && status == 0);
    child = fork ();
    if (child == 0) {
        alarm (60);
        execl (self, self, library, copy, "exec", (char *) NULL);
        _exit (1);
    }
    DEMAND (waitpid (child, &status, 0) == child && status == 0);
    DEMAND (fcntl (fd, F_GETFD) & FD_CLOEXEC);
    DEMAND (once_close (node) == 0);
}

static volatile sig_atomic_t caught;

static void
catch_signal (int number)
{
    caught = number;
}

//  A program's own handlers are called, before and after the library was loaded, and
//  children are reaped as they were.
static void
signals (void)
{
    struct sigaction action = { .sa_handler = catch_signal, .sa_flags = SA_ONSTACK };
    int numbers [] = { SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGPIPE };
    once_node_t node = make (5997);
    DEMAND (once_node_start (node, ONCE_FOREVER, 0) == 0);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction there;
        DEMAND (sigaction (numbers [i], NULL, &there) == 0);
        //  Who starts a program in the background may have it ignore some.
        DEMAND (numbers [i] == SIGPIPE || there.sa_handler == SIG_DFL || there.sa_handler == SIG_IGN);
        DEMAND (sigaction (numbers [i], &action, NULL) == 0);
        caught = 0;
        DEMAND (raise (numbers [i]) == 0 && caught == numbers [i]);
    }
    DEMAND (once_close (node) == 0);
}

//  Two copies of the library have nothing to do with each other.
static void
copies (const char *library, const char *copy)
{
    void *one = dlopen (library, RTLD_NOW | RTLD_LOCAL), *two = dlopen (copy, RTLD_NOW | RTLD_LOCAL);
    if (!two)
        fprintf (stderr, "%s\n", dlerror ());
    DEMAND (one && two && one != two);
    int (*made) (const char *, size_t, once_node_t *) = (int (*) (const char *, size_t, once_node_t *)) dlsym (two, "once_node_new");
    int (*closed) (uint64_t) = (int (*) (uint64_t)) dlsym (two, "once_close");
    once_node_t node, other;
    DEMAND (made && closed && made != once_node_new);
    once_node_t here = make (5996);
    for (int i = 0; i < 3; i++)
        DEMAND (made ("other", ONCE_TEXT, &other) == 0);
    DEMAND (once_node_new ("mine", ONCE_TEXT, &node) == 0);
    DEMAND (closed (other) == 0 && once_close (node) == 0 && once_close (here) == 0);
}

int
main (int argc, char **argv)
{
    DEMAND (argc >= 3);
    int rounds = getenv ("ROUNDS")? atoi (getenv ("ROUNDS")): 1000;
    if (argc > 3) {     // what exec has begun
        cycles (1, 5995);
        return 0;
    }
    signals ();
    misuse ();
    cycles (rounds, 5994);
    forks (argv [0], argv [1], argv [2]);
    if (!getenv ("ONE"))
        copies (argv [1], argv [2]);
    printf ("%d passed, 0 failed\n", getenv ("ONE")? 4: 5);
    return 0;
}
