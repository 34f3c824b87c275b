// Package zgossip runs CZMQ's gossip actor, which goczmq leaves out. It is what a
// Zyre node gossips with.
package zgossip

/*
#cgo pkg-config: libczmq libzmq
#include <czmq.h>

static zactor_t *start (int patience) {
	zactor_t *actor = zactor_new (zgossip, NULL);
	if (actor)
		zsock_set_rcvtimeo (zactor_sock (actor), patience);
	return actor;
}

static int tell (zactor_t *actor, const char *command, const char *a, const char *b) {
	return zstr_sendx (actor, command, a, b, NULL);
}

static int hear (zactor_t *actor, char **command, char **a, char **b) {
	return zstr_recvx (actor, command, a, b, NULL);
}
*/
import "C"

import (
	"errors"
	"strings"
	"unsafe"
)

// pollTime is how long Recv waits, in milliseconds.
const pollTime = 100

// Gossip is a gossip actor, for use by one goroutine.
type Gossip struct{ actor *C.zactor_t }

// New starts an actor.
func New() (*Gossip, error) {
	actor := C.start(pollTime)
	if actor == nil {
		return nil, errors.New("cannot start a zgossip actor")
	}
	return &Gossip{actor}, nil
}

// Do sends a command: BIND endpoint, CONNECT endpoint, PUBLISH key value, PORT.
func (g *Gossip) Do(command string, args ...string) error {
	words := [3]*C.char{C.CString(command)}
	for i, arg := range args {
		words[i+1] = C.CString(arg)
	}
	defer func() {
		for _, word := range words {
			C.free(unsafe.Pointer(word))
		}
	}()
	if C.tell(g.actor, words[0], words[1], words[2]) != 0 {
		return errors.New("zgossip does not take " + command)
	}
	return nil
}

// Recv returns the actor's next words, DELIVER key value or PORT number, or
// nothing if there are none soon.
func (g *Gossip) Recv() string {
	var words [3]*C.char
	if C.hear(g.actor, &words[0], &words[1], &words[2]) < 0 {
		return ""
	}
	var text []string
	for _, word := range words {
		if word != nil {
			text = append(text, C.GoString(word))
			C.zstr_free(&word)
		}
	}
	return strings.Join(text, " ")
}

// Close ends the actor.
func (g *Gossip) Close() { C.zactor_destroy(&g.actor) }
