package once_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// zeros are values that nobody made.
var zeros = []any{
	(*once.Node)(nil), new(once.Node), (*once.Identity)(nil), new(once.Identity), (*once.NetworkKey)(nil), new(once.NetworkKey),
	once.Peer{}, once.View{}, once.Interface{}, once.Member{}, once.Batch{}, once.Origin{}, once.Missed{}, (*once.UndeliveredError)(nil), new(once.UndeliveredError),
	new(once.LimitError), new(once.ConfigError),
	once.Security(0), once.Trust(0), once.Protection(0), once.Why(0), once.Reason(""),
	new(once.Enter), new(once.Exit), new(once.Join), new(once.Leave), new(once.Whisper), new(once.Shout), new(once.Suspect), new(once.Recover),
	new(once.Leader), new(once.Notice), new(once.Refusal), new(once.Twin), new(once.Unreachable), new(once.Changed),
}

// TestZeroValuesDoNotPanic calls every method of them, with arguments that are zero too
// and with some that are not. Those that can fail do, but for Close, which has nothing to
// close, and UndeliveredError, whose methods return what it is.
func TestZeroValuesDoNotPanic(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	given := map[reflect.Type]any{
		reflect.TypeFor[context.Context](): ctx, reflect.TypeFor[string](): "room", reflect.TypeFor[uuid.UUID](): uuid.New(),
		reflect.TypeFor[int](): 1, reflect.TypeFor[[][]byte](): [][]byte{{1}}, reflect.TypeFor[func(once.Event) bool](): func(once.Event) bool { return true },
	}
	for _, zero := range zeros {
		value := reflect.ValueOf(zero)
		for method := range value.Type().Methods() {
			for _, nothing := range []bool{true, false} {
				arguments := []reflect.Value{value}
				for i := 1; i < method.Type.NumIn(); i++ {
					in := reflect.Zero(method.Type.In(i))
					if some := given[in.Type()]; some != nil && !nothing {
						in = reflect.ValueOf(some)
					}
					arguments = append(arguments, in)
				}
				t.Run(fmt.Sprint(value.Type(), ".", method.Name), func(t *testing.T) { fails(t, method, arguments) })
			}
		}
	}
}

func fails(t *testing.T, method reflect.Method, arguments []reflect.Value) {
	call := method.Func.Call
	if method.Type.IsVariadic() {
		call = method.Func.CallSlice
	}
	results := call(arguments)
	if len(results) == 0 {
		return
	}
	last := results[len(results)-1]
	if _, err := arguments[0].Interface().(error); err || method.Name == "Close" || last.Type() != reflect.TypeFor[error]() {
		return
	}
	err, _ := last.Interface().(error)
	for _, known := range []error{once.ErrNotRunning, once.ErrNothing, once.ErrNoPeer} {
		if errors.Is(err, known) {
			return
		}
	}
	t.Errorf("it fails with %v", err)
}

// TestNothing gives functions what is nil or zero.
func TestNothing(t *testing.T) {
	var none context.Context
	if n, err := once.Start(none, once.Config{}); n != nil || !errors.Is(err, once.ErrArgument) || !strings.Contains(err.Error(), "context.Background()") {
		t.Errorf("Start without a context: %v, %v", n, err)
	}
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if n, err := once.Start(ended, once.Config{}); n != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Start with a context that has ended: %v, %v", n, err)
	}
	for _, who := range []*once.Identity{new(once.Identity)} {
		if n, err := once.Start(t.Context(), once.Config{Identity: who}); n != nil || !errors.Is(err, once.ErrArgument) {
			t.Errorf("Start with an identity that nobody made: %v, %v", n, err)
		}
	}
	if once.Keep(nil) != nil {
		t.Error("Keep(nil) keeps something")
	}
	select {
	case <-new(once.Node).Done():
	default:
		t.Error("a node that never ran has not stopped")
	}
	n := silent(t)
	for name, err := range map[string]error{
		"Whisper": n.Whisper(none, n.UUID(), []byte("x")), "Flush": n.Flush(none),
		"Next": second(n.Next(none)), "NextBatch": second(n.NextBatch(none)), "Shout": second(n.Shout(none, "room", []byte("x"))),
		"Spread": second(n.Spread(none, "once-roll:", 1)),
	} {
		if !errors.Is(err, once.ErrArgument) || !strings.HasPrefix(err.Error(), name+": ctx: ") {
			t.Errorf("%s without a context: %v", name, err)
		}
	}
}

// silent starts a node that meets nobody.
func silent(t *testing.T) *once.Node {
	t.Helper()
	n, err := once.Start(t.Context(), once.Config{Name: "ana", BeaconPort: once.NoBeacon, Endpoint: "tcp://127.0.0.1:*", Contest: []string{"room"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// TestOneself has a node deal with itself.
func TestOneself(t *testing.T) {
	n := silent(t)
	if err := n.Whisper(t.Context(), n.UUID(), []byte("me")); !errors.Is(err, once.ErrSelf) {
		t.Errorf("Whisper: %v", err)
	}
	if err := n.Connect(n.UUID(), n.Endpoint()); !errors.Is(err, once.ErrSelf) {
		t.Errorf("Connect: %v", err)
	}
	event, err := n.Next(t.Context())
	leader, ok := event.(*once.Leader)
	if err != nil || !ok {
		t.Fatalf("%v, %v", event, err)
	}
	view, err := n.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	inView, err := view.Leader("room")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []once.Peer{leader.Peer, inView} {
		if p.UUID() != n.UUID() || p.Protection() != once.ProtectionNone || len(p.Identity()) != 40 || p.Suspect() || p.Name() != "ana" {
			t.Errorf("it is told of itself as %v, %v, identity %q", p, p.Protection(), p.Identity())
		}
	}
}

// TestEventsPrintThemselves prints one of each, in one line.
func TestEventsPrintThemselves(t *testing.T) {
	origin := once.Origin{}
	for _, test := range []struct {
		event once.Event
		want  string
	}{
		{&once.Enter{Origin: origin}, "nobody is present"},
		{&once.Exit{Reason: once.Left}, "nobody is gone: left"},
		{&once.Join{Group: "a\nb"}, `nobody has joined "a\nb"`},
		{&once.Leave{Group: "room"}, `nobody has left "room"`},
		{&once.Whisper{Content: [][]byte{[]byte("hi\n"), {0xff}}}, `nobody whispers "hi\n", "\xff"`},
		{&once.Whisper{}, `nobody whispers nothing`},
		{&once.Shout{Group: "room", Content: [][]byte{make([]byte, 100), {}, {}, {}, {}, {}}},
			`nobody shouts to "room" "` + strings.Repeat(`\x00`, 64) + `" (the beginning of 100 octets), "", "", "", and 2 more frames`},
		{&once.Suspect{}, "nobody owes a sign of life"},
		{&once.Recover{}, "nobody is heard again"},
		{&once.Leader{Group: "room"}, `nobody leads "room"`},
		{&once.Notice{Text: "a cable is out"}, "a cable is out"},
		{&once.Refusal{Text: "it says why"}, "no talk with nobody: it says why"},
		{&once.Twin{Text: "another"}, "another"},
		{&once.Unreachable{Text: "open a port"}, "nobody cannot be met: open a port"},
		{&once.Changed{}, "nobody has other headers"},
	} {
		if got := fmt.Sprintf("%v", test.event); got != test.want || fmt.Sprint(once.Keep(test.event)) != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
	n := silent(t)
	for event := range n.Events(t.Context()) {
		if got, want := fmt.Sprint(event), fmt.Sprintf(`ana (%v) leads "room"`, n.UUID()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		break
	}
}
