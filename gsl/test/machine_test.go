package generator_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	door "github.com/sjohnr/at-once/gsl/test/tiny/go/doormachine"
)

// recorder notes the actions that a machine takes.
type recorder struct{ taken []string }

func (r *recorder) Creak()                  { r.taken = append(r.taken, "creak") }
func (r *recorder) Swing()                  { r.taken = append(r.taken, "swing") }
func (r *recorder) Ring()                   { r.taken = append(r.taken, "ring") }
func (r *recorder) Hush()                   { r.taken = append(r.taken, "hush") }
func (r *recorder) Rattle()                 { r.taken = append(r.taken, "rattle") }
func (r *recorder) Bang()                   { r.taken = append(r.taken, "bang") }
func (r *recorder) SendHello()              { r.taken = append(r.taken, "HELLO") }
func (r *recorder) Fall(reason door.Reason) { r.taken = append(r.taken, "fall: "+reason.String()) }

var events = []door.Event{
	door.EventPull, door.EventLock, door.EventPush, door.EventTimeout,
	door.EventKnock, door.EventUnlock, door.EventBurn, door.EventKick,
}

// Each line is a state, and what each event does there: the actions in order
// and the next state, or "unknown". The sentences say which rule it shows.
func TestStep(t *testing.T) {
	table := map[door.State]map[door.Event]string{
		door.StateClosed: {
			door.EventPull:  "creak, swing, ring, HELLO -> open", // exit, own action, entry
			door.EventLock:  "creak -> locked",
			door.EventKnock: "HELLO -> closed",                   // inherited; without next it stays: no exit, no entry
			door.EventBurn:  "creak, fall: fire, bang -> broken", // the nearer super-state wins
			door.EventKick:  "creak, fall: force -> broken",      // inherited over two levels
		},
		door.StateOpen: {
			door.EventPull:    "rattle -> open",
			door.EventPush:    "swing -> open",  // next is the same state: no exit, no entry
			door.EventTimeout: "hush -> closed", // closed has no entry actions
			door.EventKnock:   "hush -> closed", // own event over the inherited one
			door.EventBurn:    "hush, fall: fire, bang -> broken",
			door.EventKick:    "hush, fall: force -> broken",
		},
		door.StateLocked: {
			door.EventUnlock:  "-> closed",
			door.EventBurn:    "fall: fire -> broken", // inherited by name, over the own *
			door.EventKick:    "fall: force -> broken",
			door.EventPull:    "rattle -> locked", // the own *
			door.EventLock:    "rattle -> locked",
			door.EventPush:    "rattle -> locked",
			door.EventTimeout: "rattle -> locked",
			door.EventKnock:   "rattle -> locked",
		},
		door.StateBroken: {
			door.EventUnlock: "-> broken", door.EventBurn: "-> broken", door.EventKick: "-> broken", door.EventPull: "-> broken",
			door.EventLock: "-> broken", door.EventPush: "-> broken", door.EventTimeout: "-> broken", door.EventKnock: "-> broken",
		},
	}
	for state, row := range table {
		for _, event := range events {
			want, known := row[event]
			if !known {
				want = fmt.Sprintf("-> %v", state)
			}
			var do recorder
			next, ok := door.Step(state, event, &do)
			got := strings.TrimSpace(strings.Join(do.taken, ", ") + " -> " + next.String())
			if got != want || ok != known {
				t.Errorf("%v, %v: %s (%v), want %s (%v)", state, event, got, ok, want, known)
			}
		}
	}
}

func TestStates(t *testing.T) {
	type row struct {
		name                  string
		final, movable, solid bool
		timeout               door.Timeout
	}
	var got []row
	for s := door.StateClosed; s <= door.StateBroken; s++ {
		got = append(got, row{s.String(), s.Final(), s.IsMovable(), s.IsSolid(), s.Timeout()})
	}
	want := []row{
		{"closed", false, true, true, 0},
		{"open", false, true, true, door.TimeoutAjar},
		{"locked", false, false, true, 0},
		{"broken", true, false, false, 0},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("states are %v\nwant %v", got, want)
	}
	if door.State(0) != door.StateClosed {
		t.Error("the first state of the model is not the zero value")
	}
}

func TestConstants(t *testing.T) {
	if door.DefaultAjar != 30*time.Millisecond || door.MinAjar != 10*time.Millisecond || door.MaxAjar != 40*time.Millisecond {
		t.Errorf("ajar is %v, from %v to %v", door.DefaultAjar, door.MinAjar, door.MaxAjar)
	}
	if door.TimeoutAjar.String() != "ajar" || door.Timeout(0).String() != "" {
		t.Error("time-outs are not named as in the model")
	}
	if door.ReasonFire.String() != "fire" || door.Reason(0).String() != "" {
		t.Error("reasons are not named as in the model")
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	do := recorder{taken: make([]string, 0, 1000)}
	if allocs := testing.AllocsPerRun(100, func() {
		do.taken = do.taken[:0]
		door.Step(door.StateClosed, door.EventPull, &do)
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
