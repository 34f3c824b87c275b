package gossip

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/generated/go/zgossipmsg"
	"github.com/sjohnr/at-once/src/z85"
	"github.com/sjohnr/at-once/src/zmtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStar(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub := w.start(1, 1)
		rim := []*node{w.start(2, 1, 1), w.start(3, 1, 1), w.start(4, 1, 1)}
		pass(100 * time.Millisecond)
		hub.wants(t, "hub", 2, 3, 4)
		rim[0].wants(t, "2", 1, 3, 4)
		rim[1].wants(t, "3", 1, 2, 4)
		rim[2].wants(t, "4", 1, 2, 3)
		pass(10 * Lifetime)
		rim[0].wants(t, "2, much later", 1, 3, 4)
	})
}

func TestChainAndRing(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		nodes := []*node{w.start(1, 1, 5)} // not there yet
		for i := 2; i <= 5; i++ {
			nodes = append(nodes, w.start(i, 1, i-1))
		}
		pass(5 * time.Second)
		for i, n := range nodes {
			all := []int{1, 2, 3, 4, 5}
			n.wants(t, fmt.Sprint(i+1), slices.Delete(all, i, i+1)...)
		}
		if n := nodes[2]; n.store.changes > 5 {
			t.Errorf("%d changes for 5 nodes: tuples go round", n.store.changes)
		}
	})
}

// finds checks what is wrong with the server that a node has.
func (n *node) finds(t *testing.T, server int, fault string) {
	t.Helper()
	found := n.Servers()
	if got, known := found[serverOf(server)]; !known || len(found) != 1 || (got == "") != (fault == "") || !strings.Contains(got, fault) {
		t.Errorf("the servers are %q, want %q of %d", found, fault, server)
	}
}

func TestServerRestarts(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub, two, three := w.start(1, 1), w.start(2, 1, 1), w.start(3, 1, 1)
		pass(time.Second)
		two.finds(t, 1, "")
		hub.stop()
		pass(time.Second)
		two.finds(t, 1, "connection refused")
		pass(10 * Lifetime)
		two.sights()
		three.sights()
		hub = w.start(1, 1000)
		pass(5 * time.Second)
		two.finds(t, 1, "")
		hub.wants(t, "new hub", 2, 3)
		two.wants(t, "2", 1, 3)
		three.wants(t, "3", 1, 2)
	})
}

func TestLeaverIsToldOf(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub, two, three := w.start(1, 1), w.start(2, 1, 1), w.start(3, 1, 1)
		pass(time.Second)
		began := time.Now()
		two.stop()
		if took := time.Since(began); took >= time.Second {
			t.Errorf("to leave takes %v", took)
		}
		hub.sights()
		three.sights()
		pass(Lifetime)
		hub.wants(t, "hub", 3)
		three.wants(t, "3", 1)
		if hub.gone[2] != 1 || three.gone[2] != 1 {
			t.Errorf("the hub was told %d times, 3 %d times, want once", hub.gone[2], three.gone[2])
		}
	})
}

// The dead are not told of for ever, not even to those who ask later.
func TestDeadExpire(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub, two := w.start(1, 1), w.start(2, 1, 1)
		pass(time.Second)
		w.memory.Partition(hostOf(1), hostOf(2), true)
		pass(Lifetime + look)
		hub.sights()
		three := w.start(3, 1, 1)
		pass(Lifetime)
		hub.wants(t, "hub", 3)
		three.wants(t, "3", 1)
		w.memory.Partition(hostOf(1), hostOf(2), false)
		pass(Lifetime)
		hub.wants(t, "healed hub", 2, 3)
		two.wants(t, "healed 2", 1, 3)
	})
}

func TestNewEndpoint(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		w.start(1, 1)
		two, three := w.start(2, 1, 1), w.start(3, 1, 1)
		pass(time.Second)
		two.at.Store("tcp://10.9.9.9:1")
		two.Renew()
		pass(time.Second)
		if got := three.store.find(keyOf(2)).value; got != "tcp://10.9.9.9:1" {
			t.Errorf("3 knows 2 at %s", got)
		}
	})
}

// A node tells each where it is reached from there, and nobody while that is nowhere.
func TestEndpointIsTheConnections(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub := w.start(1, 1)
		two := w.start(2, 1)
		two.here.Store(true)
		other := w.dial("10.0.0.9", 2, "")
		other.says(&zgossipmsg.Hello{})
		other.hears("PUBLISH 2 tcp://10.0.0.2:5670")
		hub.at.Store("")
		other = w.dial("10.0.0.9", 1, "")
		other.says(&zgossipmsg.Hello{})
		other.hears()
	})
}

// Loopback is another host for each.
func TestLoopbackStaysHere(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub := w.start(1, 1)
		here, elsewhere := w.dial(hostOf(1), 1, ""), w.dial("10.0.0.9", 1, "")
		for _, o := range []*other{here, elsewhere} {
			o.says(&zgossipmsg.Hello{})
			o.hears("PUBLISH 1 " + endpointOf(1))
		}
		elsewhere.says(publish(8, "tcp://127.0.0.1:8"))
		here.hears()
		hub.wants(t, "from elsewhere")
		if n := hub.counts["gossip of loopback from elsewhere"]; n != 1 {
			t.Errorf("%d counted", n)
		}
		here.says(publish(7, "tcp://127.0.0.1:7"))
		elsewhere.hears()
		hub.wants(t, "from here", 7)
		hub.at.Store("tcp://127.0.0.1:1")
		hub.Renew()
		here.hears("PUBLISH 1 tcp://127.0.0.1:1")
		elsewhere.hears()
	})
}

func TestUnpublish(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub := w.start(1, 1)
		w.start(2, 1, 1)
		pass(time.Second)
		hub.Unpublish(idOf(2))
		hub.sights()
		three := w.start(3, 1, 1)
		pass(refresh - 5*time.Second)
		hub.wants(t, "hub", 3)
		three.wants(t, "3", 1)
		pass(refresh)
		three.wants(t, "3 after 2 published itself anew", 1, 2)
	})
}

// Others get and give values as Zyre has them, and every message has the answer
// that CZMQ gives it.
func TestOthers(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub := w.start(1, 1)
		two := w.start(2, 1, 1)
		pass(time.Second)
		hub.sights()
		two.sights()
		o := w.dial("10.0.0.9", 1, "")
		o.says(&zgossipmsg.Ping{})
		o.hears("INVALID")
		o.says(&zgossipmsg.Hello{})
		o.hears("PUBLISH 1 tcp://10.0.0.1:1", "PUBLISH 2 tcp://10.0.0.2:1")
		o.says(publish(9, "tcp://10.0.0.9:1"), publish(8, "tcp://10.0.0.8:1|curve key"), &zgossipmsg.Ping{})
		o.hears("PONG")
		hub.wants(t, "hub", 9)
		two.wants(t, "2", 9)
		if value := two.store.find(keyOf(8)).value; value != "tcp://10.0.0.8:1|curve key" {
			t.Errorf("2 knows 8 as %q", value)
		}
		o.says(&zgossipmsg.Hello{})
		o.hears("INVALID")
		o.says(&zgossipmsg.Hello{})
		o.hears("PUBLISH 1 tcp://10.0.0.1:1", "PUBLISH 2 tcp://10.0.0.2:1")
		o.says(&zgossipmsg.Pong{})
		o.hears("INVALID")
	})
}

// Keys go from server to server, and to and from others as Zyre has them.
func TestKeys(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		w.keys = map[int][32]byte{2: {1: 7}, 4: {31: 9}} // the one begins with a zero
		one, two := w.start(1, 1), w.start(2, 1, 1)
		three, four := w.start(3, 1, 2), w.start(4, 1, 3)
		pass(time.Second)
		keyed := func(i int) string { k := w.keys[i]; return endpointOf(i) + "|" + z85.Encode(k[:]) }
		o := w.dial("10.0.0.9", 1, "")
		o.says(&zgossipmsg.Hello{})
		o.hears("PUBLISH 1 "+endpointOf(1), "PUBLISH 2 "+keyed(2), "PUBLISH 3 "+endpointOf(3), "PUBLISH 4 "+keyed(4))

		w.keys[8] = [32]byte{5: 6}
		bad := []string{"", strings.Repeat("0", 40), strings.Repeat("a", 39), strings.Repeat("#", 40), strings.Repeat("a", 40) + "|"}
		o.says(publish(8, keyed(8)), publish(9, endpointOf(9)))
		for i, key := range bad {
			o.says(publish(10+i, endpointOf(9)+"|"+key))
		}
		pass(time.Second)
		for i, n := range []*node{one, two, three, four} {
			all := []int{1, 2, 3, 4, 8, 9}
			n.wants(t, fmt.Sprint(i+1), slices.Delete(all, i, i+1)...)
			for id, key := range n.keys {
				if key != w.keys[id] {
					t.Errorf("%d sights %d with key %x, want %x", i+1, id, key, w.keys[id])
				}
			}
			if count := n.counts["gossip with a malformed key"]; count != len(bad) {
				t.Errorf("%d counts %d malformed keys", i+1, count)
			}
			if text := n.store.find(keyOf(13)).value; text != endpointOf(9)+"|"+bad[3] {
				t.Errorf("%d was told %q", i+1, text)
			}
		}
		four.stop()
		pass(time.Second)
		if one.gone[4] != 1 || two.gone[4] != 1 {
			t.Errorf("told %d and %d times that 4 has gone, want once", one.gone[4], two.gone[4])
		}
	})
}

// What another implementation says stays as long as it does, and Lifetime longer.
func TestOthersExpire(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub := w.start(1, 1)
		o := w.dial("10.0.0.9", 1, "")
		o.says(&zgossipmsg.Hello{}, publish(9, "tcp://10.0.0.9:1"))
		pass(5 * Lifetime)
		hub.sights()
		three := w.start(3, 1, 1)
		pass(time.Second)
		three.wants(t, "3", 1, 9)
		three.stop()
		_ = o.link.Close()
		pass(Lifetime + look)
		four := w.start(4, 1, 1)
		pass(time.Second)
		four.wants(t, "4", 1)
	})
}

// A restarted node's word counts against what it said before, whoever repeats it
// and in whatever form.
func TestOlderNeverReplacesNewer(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub := w.start(1, 1)
		ours, theirs := w.dial("10.0.0.8", 1, mark+"8"), w.dial("10.0.0.9", 1, "")
		tell := func(value string) *zgossipmsg.Publish {
			return &zgossipmsg.Publish{Key: keyOf(5), Value: value, TTL: 60000}
		}
		ours.says(&zgossipmsg.Hello{}, tell("tcp://10.0.0.5:7|70"))
		theirs.says(&zgossipmsg.Hello{})
		for _, test := range []struct {
			from        *other
			value, want string
		}{
			{ours, "tcp://10.0.0.5:6|69", "tcp://10.0.0.5:7"},
			{ours, "|69", "tcp://10.0.0.5:7"},
			{ours, "tcp://10.0.0.5:6|70", "tcp://10.0.0.5:7"},
			{theirs, "tcp://10.0.0.5:6", "tcp://10.0.0.5:7"},
			{ours, "tcp://10.0.0.5:8|71", "tcp://10.0.0.5:8"},
			{ours, "|72", ""},
			{ours, "tcp://10.0.0.5:8|71", ""},
			{theirs, "tcp://10.0.0.5:8", ""},
			{ours, "tcp://10.0.0.5:9|73", "tcp://10.0.0.5:9"},
		} {
			test.from.says(tell(test.value))
			pass(10 * time.Millisecond)
			if got := hub.store.find(keyOf(5)).value; got != test.want {
				t.Fatalf("after %q the hub knows %q, want %q", test.value, got, test.want)
			}
		}
	})
}

// TestTwin has a node hear of another that has its id and started later, and of nothing
// else under that id.
func TestTwin(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub := w.start(1, 100)
		ours, theirs := w.dial("10.0.0.8", 1, mark+"8"), w.dial("10.0.0.9", 1, "")
		ours.says(&zgossipmsg.Hello{})
		theirs.says(&zgossipmsg.Hello{})
		for _, test := range []struct {
			from  *other
			value string
			twin  bool
		}{
			{ours, "tcp://10.0.0.5:7|99", false}, // an earlier life
			{ours, endpointOf(1) + "|101", false},
			{ours, "tcp://10.0.0.5:7|100", false},
			{ours, "|999", false},
			{theirs, "tcp://10.0.0.5:7", false},
			{ours, "tcp://10.0.0.5:7|999", true},
		} {
			test.from.says(&zgossipmsg.Publish{Key: keyOf(1), Value: test.value, TTL: 60000})
			pass(10 * time.Millisecond)
			if got := hub.sights(); slices.Contains(got, 1) != test.twin {
				t.Errorf("after %q it has sighted %v", test.value, got)
			}
			if own := hub.store.find(keyOf(1)); own.from != nil || own.value != "" {
				t.Errorf("after %q it tells that it is at %q", test.value, own.value)
			}
		}
	})
}

func TestHostileWords(t *testing.T) {
	long := strings.Repeat("x", maxValue+1)
	frame := func(m zgossipmsg.Message) []byte { return appendFrame(nil, m) }
	huge := append(zmtp.AppendHeader(nil, 13, false), "\xaa\xa0\x02\x01\x01k\xff\xff\xff\xff\x00\x00\x00"...)
	for name, test := range map[string]struct {
		frames  []byte
		counted string
		closed  bool
	}{
		"no gossip":             {append(zmtp.AppendHeader(nil, 3, false), "hey"...), "gossip that is malformed", false},
		"nothing":               {zmtp.AppendHeader(nil, 0, false), "gossip that is malformed", false},
		"value of 4 GiB":        {huge, "gossip that is malformed", false},
		"long value":            {frame(publish(9, long)), "gossip over the limit", false},
		"empty value":           {frame(publish(9, "")), "gossip that is malformed", false},
		"two frames":            {append(zmtp.AppendHeader(nil, 0, true), zmtp.AppendHeader(nil, 0, false)...), "", true},
		"larger than a message": {append(zmtp.AppendHeader(nil, 1<<20, false), make([]byte, 1<<20)...), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, w *network) {
				hub := w.start(1, 1)
				o := w.dial("10.0.0.9", 1, "")
				o.says(&zgossipmsg.Hello{})
				if test.closed { // the far side may close before all is sent
					b, err := o.link.Reserve(t.Context(), len(test.frames))
					if err != nil {
						t.Fatal(err)
					}
					copy(b, test.frames)
					o.link.Commit()
				} else {
					o.send(test.frames)
				}
				pass(time.Second)
				if _, open := hub.isOpen(o); open == test.closed {
					t.Errorf("the connection is open: %v", open)
				}
				if test.counted != "" && hub.counts[test.counted] != 1 {
					t.Errorf("counted %v", hub.counts)
				}
				hub.sights()
				w.start(2, 1, 1)
				pass(time.Second)
				hub.wants(t, "hub", 2)
			})
		})
	}
}

func TestTooMuch(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub := w.start(1, 1)
		o := w.dial("10.0.0.9", 1, "")
		o.says(&zgossipmsg.Hello{})
		for i := range MaxTuples + 10 {
			o.says(&zgossipmsg.Publish{Key: fmt.Sprint(i), Value: "v"})
		}
		pass(time.Second)
		if known, over := len(hub.store.tuples), hub.counts["gossip over the limit"]; known != MaxTuples || over != 11 {
			t.Errorf("%d tuples are known, %d over the limit", known, over)
		}
		three := w.start(3, 1, 1)
		pass(time.Second)
		if known := len(three.store.tuples); known != MaxTuples {
			t.Errorf("another node was told %d tuples", known)
		}
		_ = o.link.Close()
		pass(Lifetime + look)
		if known := len(hub.store.tuples); known != 1 {
			t.Errorf("%d tuples are left", known)
		}
	})
}

// Who says nothing, or answers nothing, is dropped.
func TestSilence(t *testing.T) {
	virtual(t, func(t *testing.T, w *network) {
		hub := w.start(1, 1)
		o := w.dial("10.0.0.9", 1, "")
		o.hears()
		pass(9 * time.Second)
		if _, open := hub.isOpen(o); !open {
			t.Error("closed before the time-out")
		}
		pass(2 * time.Second)
		if _, open := hub.isOpen(o); open {
			t.Error("open after the time-out")
		}
		two := w.start(2, 1, 1)
		pass(time.Second)
		w.memory.Partition(hostOf(1), hostOf(2), true)
		pass(45 * time.Second)
		if open := len(two.sessions); open != 0 {
			t.Errorf("%d conversations with a server that is silent", open)
		}
	})
}

func TestBindFails(t *testing.T) {
	w := newNetwork(t)
	transport := w.memory.Host("10.0.0.1")
	first, err := Listen(t.Context(), Config{Bind: serverOf(1), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), Config{Bind: serverOf(1), Transport: transport}); err == nil {
		t.Error("bound twice")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzServer: whatever one client says, another is told of the node and answered.
func FuzzServer(f *testing.F) {
	_, frames := vectors(f)
	for _, frame := range frames {
		f.Add(frame, frame)
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		virtual(t, func(t *testing.T, w *network) {
			w.start(1, 1)
			o := w.dial("10.0.0.9", 1, mark)
			for _, frame := range [][]byte{one, two} {
				o.send(append(zmtp.AppendHeader(nil, len(frame), false), frame...))
			}
			pass(10 * time.Millisecond)
			good := w.dial("10.0.0.8", 1, "")
			good.says(&zgossipmsg.Hello{})
			pass(10 * time.Millisecond)
			good.says(&zgossipmsg.Ping{})
			pass(10 * time.Millisecond)
			heard := map[string]bool{}
			for len(good.got) > 0 {
				heard[<-good.got] = true
			}
			if !heard["PUBLISH 1 "+endpointOf(1)] || !heard["PONG"] {
				t.Errorf("after %x and %x, heard %v", one, two, heard)
			}
		})
	})
}

// TestVersions takes apart what our own nodes tell: a version is written in one way.
func TestVersions(t *testing.T) {
	for text, ok := range map[string]bool{"tcp://10.0.0.1:9|7": true, "|7": true, "|0": false, "tcp://10.0.0.1:9|0": true,
		"tcp://10.0.0.1:9|07": false, "tcp://10.0.0.1:9|+7": false, "tcp://10.0.0.1:9|": false, "tcp://10.0.0.1:9": false} {
		value, version, got := parse(text, true)
		if got != ok || ok && (&tuple{value: value, version: version}).text(true) != text {
			t.Errorf("%q is %q of version %d, %v; want %v", text, value, version, got, ok)
		}
	}
}
