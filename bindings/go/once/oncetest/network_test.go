package oncetest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/oncetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is one on a host, and what it is told.
type node struct {
	*once.Node
	t *testing.T
}

func start(t *testing.T, host *oncetest.Host, config once.Config) *node {
	t.Helper()
	n, err := once.Start(host.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return &node{n, t}
}

// next returns the next event within a time, as words.
func (n *node) next(within time.Duration) string {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), within)
	defer cancel()
	event, err := n.Next(ctx)
	switch e := event.(type) {
	case nil:
		return err.Error()
	case *once.Exit:
		return fmt.Sprintf("exit %s %s", e.Peer.Name(), e.Reason)
	case *once.Whisper:
		return fmt.Sprintf("whisper %s %d octets", e.Peer.Name(), len(e.Content[0]))
	case *once.Notice:
		return "notice " + e.Text
	default:
		word := strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "*once."))
		return word + " " + e.About().Peer.Name()
	}
}

func (n *node) wants(within time.Duration, events ...string) {
	n.t.Helper()
	for _, want := range events {
		if got := n.next(within); got != want {
			n.t.Fatalf("%s is told %q, want %q", n.Name(), got, want)
		}
	}
}

// idle expects that nothing is told for a while.
func (n *node) idle(d time.Duration) {
	n.t.Helper()
	n.wants(d, context.DeadlineExceeded.Error())
}

// pair returns a network with two nodes, ana and ben, that have met.
func pair(t *testing.T, config once.Config) (*oncetest.Network, [2]*oncetest.Host, *node, *node) {
	t.Helper()
	network := oncetest.New(t, 7)
	hosts := [2]*oncetest.Host{network.Host("10.0.0.1"), network.Host("10.0.0.2")}
	config.Name = "ana"
	ana := start(t, hosts[0], config)
	config.Name = "ben"
	ben := start(t, hosts[1], config)
	ana.wants(time.Second, "enter ben")
	ben.wants(time.Second, "enter ana")
	return network, hosts, ana, ben
}

func TestCrashIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hosts, ana, ben := pair(t, once.Config{})
		began := time.Now()
		hosts[1].Crash()
		if took := time.Since(began); took > 0 {
			t.Errorf("a crash took %v", took)
		}
		ben.wants(0, "exit ana stopped", once.ErrStopped.Error())
		if _, err := once.Start(hosts[1].Context(), once.Config{}); !errors.Is(err, context.Canceled) {
			t.Errorf("a node starts on a host that is off: %v", err)
		}
		ana.wants(time.Minute, "suspect ben", "exit ben expired")
		if took := time.Since(began); took < 30*time.Second || took > 36*time.Second {
			t.Errorf("after %v", took)
		}
		ana.idle(time.Hour)
	})
}

// Who starts again with the identity that it had is the same peer.
func TestRestartWithTheSameIdentity(t *testing.T) {
	for _, security := range []once.Security{once.SecurityAuto, once.SecuritySecure} {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := oncetest.New(t, 1)
				home := network.Host("10.0.0.2")
				ana := start(t, network.Host("10.0.0.1"), once.Config{Name: "ana", Security: security})
				who, err := once.OpenIdentity(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				config := once.Config{Name: "ben", Identity: who, Security: security}
				id := start(t, home, config).UUID()
				ana.wants(time.Second, "enter ben")
				for _, pause := range []time.Duration{0, time.Second, time.Minute} {
					home.Crash()
					want := "exit ben replaced"
					if time.Sleep(pause); pause > 30*time.Second {
						ana.wants(0, "suspect ben")
						want = "exit ben expired"
					}
					home.Restart()
					ben := start(t, home, config)
					if ben.UUID() != id {
						t.Errorf("ben is %v, was %v", ben.UUID(), id)
					}
					ana.wants(5*time.Second, want, "enter ben")
					ben.wants(5*time.Second, "enter ana")
				}
			})
		})
	}
}

func TestBreakIsNoExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hosts, ana, ben := pair(t, once.Config{})
		for range 3 {
			hosts[0].Break()
			ana.idle(time.Second)
			ben.idle(time.Second)
			if err := ana.Whisper(t.Context(), ben.UUID(), []byte("still here")); err != nil {
				t.Error(err)
			}
			ben.wants(time.Second, "whisper ana 10 octets")
		}
	})
}

func TestLines(t *testing.T) {
	for name, test := range map[string]struct {
		all, ana    oncetest.Line
		least, most time.Duration // that a message of 100 kB takes
	}{
		"none":    {},
		"delay":   {all: oncetest.Line{Delay: 10 * time.Millisecond}, least: 20 * time.Millisecond, most: 20 * time.Millisecond},
		"jitter":  {all: oncetest.Line{Jitter: 10 * time.Millisecond}, least: 1, most: 20 * time.Millisecond},
		"rate":    {all: oncetest.Line{Rate: 100_000}, least: time.Second, most: 1100 * time.Millisecond},
		"own":     {all: oncetest.Line{Rate: 100_000}, ana: oncetest.Line{Delay: time.Second}, least: 2 * time.Second, most: 2100 * time.Millisecond},
		"slowest": {all: oncetest.Line{Rate: 100_000}, ana: oncetest.Line{Rate: 50_000}, least: 2 * time.Second, most: 2100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, hosts, ana, ben := pair(t, once.Config{Security: once.SecurityPlain})
				network.SetLine(test.all)
				if test.ana != (oncetest.Line{}) {
					hosts[0].SetLine(test.ana)
				}
				began := time.Now()
				if err := ana.Whisper(t.Context(), ben.UUID(), make([]byte, 100_000)); err != nil {
					t.Fatal(err)
				}
				ben.wants(10*time.Second, "whisper ana 100000 octets")
				if took := time.Since(began); took < test.least || took > test.most {
					t.Errorf("it took %v, want %v to %v", took, test.least, test.most)
				}
			})
		})
	}
}

// Beacons that are all lost, are on another port, or are none at all do not let nodes
// meet; those who gossip do.
func TestHowNodesMeet(t *testing.T) {
	for name, test := range map[string]struct {
		loss     float64
		ana, ben once.Config
		meet     bool
	}{
		"half lost": {loss: 0.3, meet: true},
		"lost":      {loss: 1},
		"ports":     {ana: once.Config{BeaconPort: 5670}, ben: once.Config{BeaconPort: 5671}},
		"silent":    {ana: once.Config{BeaconPort: once.NoBeacon}, ben: once.Config{BeaconPort: once.NoBeacon}},
		"gossip":    {loss: 1, ana: once.Config{GossipBind: "tcp://*:9999"}, ben: once.Config{GossipConnect: []string{"tcp://10.0.0.1:9999"}}, meet: true},
		"interface": {ana: once.Config{Interfaces: []string{"eth7"}, Endpoint: "tcp://10.0.0.1:5000-5010"}, meet: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := oncetest.New(t, 1)
				network.SetLine(oncetest.Line{Loss: test.loss})
				ana := start(t, network.Host("10.0.0.1"), test.ana)
				ben := start(t, network.Host("10.0.0.2"), test.ben)
				time.Sleep(time.Minute)
				for _, n := range []*node{ana, ben} {
					if met := len(n.Peers()) == 1; met != test.meet {
						t.Errorf("met: %v", met)
					}
				}
			})
		})
	}
}

func TestPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		var hosts []*oncetest.Host
		var nodes []*node
		for i := range 5 {
			hosts = append(hosts, network.Host(fmt.Sprintf("fd00::%d", i+1)))
			nodes = append(nodes, start(t, hosts[i], once.Config{}))
		}
		know := func(want ...int) {
			t.Helper()
			time.Sleep(time.Minute)
			for i, n := range nodes {
				if got := len(n.Peers()); got != want[i] {
					t.Errorf("host %v knows %d, want %d", hosts[i], got, want[i])
				}
			}
		}
		know(4, 4, 4, 4, 4)
		network.Partition(hosts[:2], hosts[2:4])
		know(2, 2, 2, 2, 4)
		network.Partition(hosts[:1], hosts[1:2])
		know(3, 3, 4, 4, 4)
		network.Heal()
		know(4, 4, 4, 4, 4)
	})
}

// Two nodes on one host need no line.
func TestOneHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		network.SetLine(oncetest.Line{Delay: time.Hour, Loss: 1})
		host := network.Host("10.0.0.1")
		ana := start(t, host, once.Config{Name: "ana"})
		start(t, host, once.Config{Name: "ben"})
		ana.wants(time.Second, "enter ben")
	})
}

// All that happens happens again with the same seed, and to the nanosecond.
func TestSeed(t *testing.T) {
	run := func(seed uint64) (trace []string) {
		synctest.Test(t, func(t *testing.T) {
			network := oncetest.New(t, seed)
			network.SetLine(oncetest.Line{Delay: time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.3})
			began, told := time.Now(), make([][]string, 5)
			for i := range told {
				host := network.Host(fmt.Sprintf("10.0.0.%d", i+1))
				host.Go(func(context.Context) error {
					n := start(t, host, once.Config{Groups: []string{"room"}})
					for event := n.next(time.Hour); !strings.HasPrefix(event, "exit") || !strings.HasSuffix(event, "stopped"); event = n.next(time.Hour) {
						told[i] = append(told[i], fmt.Sprint(time.Since(began), " ", n.Name(), " ", event))
					}
					return nil
				})
				time.Sleep(time.Millisecond)
			}
			time.Sleep(20 * time.Second)
			network.Host("10.0.0.2").Break()
			time.Sleep(20 * time.Second)
			network.Host("10.0.0.3").Crash()
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, lines := range told {
				slices.Sort(lines) // goroutines that are ready at one moment run in any order
				trace = append(trace, lines...)
			}
		})
		return trace
	}
	first := run(1)
	if len(first) < 2*4*5 {
		t.Errorf("too little: %q", first)
	}
	if again := run(1); !slices.Equal(first, again) {
		t.Errorf("first\n%s\nthen\n%s", strings.Join(first, "\n"), strings.Join(again, "\n"))
	}
	if other := run(2); slices.Equal(first, other) {
		t.Error("another seed does the same")
	}
}

// misuses are what ends a test, and what is said then.
var misuses = map[string]struct {
	do   func(t *testing.T, network *oncetest.Network)
	said string
}{
	"address":   {func(t *testing.T, n *oncetest.Network) { n.Host("host.example") }, `"host.example" is not the IP address of a host`},
	"loopback":  {func(t *testing.T, n *oncetest.Network) { n.Host("127.0.0.1") }, `"127.0.0.1" is not the IP address of a host`},
	"all":       {func(t *testing.T, n *oncetest.Network) { n.Host("255.255.255.255") }, `"255.255.255.255" is not the IP address of a host`},
	"mapped":    {func(t *testing.T, n *oncetest.Network) { n.Host("::ffff:127.0.0.1") }, `"::ffff:127.0.0.1" is not the IP address of a host`},
	"multicast": {func(t *testing.T, n *oncetest.Network) { n.Host("ff02::1") }, `"ff02::1" is not the IP address of a host`},
	"loss":      {func(t *testing.T, n *oncetest.Network) { n.SetLine(oncetest.Line{Loss: 1.5}) }, "no loss above 1"},
	"sides": {func(t *testing.T, n *oncetest.Network) {
		n.Partition([]*oncetest.Host{n.Host("10.0.0.1")}, []*oncetest.Host{n.Host("10.0.0.1")})
	}, "10.0.0.1 is on two sides"},
	"restart": {func(t *testing.T, n *oncetest.Network) { n.Host("10.0.0.1").Restart() }, "host 10.0.0.1 has not crashed"},
	"crash": {func(t *testing.T, n *oncetest.Network) {
		n.Host("10.0.0.1").Crash()
		n.Host("10.0.0.1").Crash()
	}, "host 10.0.0.1 has crashed already"},
	"off": {func(t *testing.T, n *oncetest.Network) {
		n.Host("10.0.0.1").Crash()
		n.Host("10.0.0.1").Go(func(context.Context) error { return nil })
	}, "oncetest: host 10.0.0.1: the host is off"},
	"endless": {func(t *testing.T, n *oncetest.Network) {
		n.Host("10.0.0.1").Go(func(context.Context) error { select {} })
		n.Host("10.0.0.1").Crash()
	}, "oncetest: host 10.0.0.1: the program that network_test.go:"},
	"busy": {func(t *testing.T, n *oncetest.Network) {
		n.Host("10.0.0.1").Go(func(context.Context) error {
			for {
				time.Sleep(time.Second)
			}
		})
	}, "oncetest: host 10.0.0.1: the program that network_test.go:"},
	"program": {func(t *testing.T, n *oncetest.Network) {
		n.Host("10.0.0.1").Go(func(context.Context) error { return errors.New("out of luck") })
		synctest.Wait()
	}, "a program on host 10.0.0.1: out of luck"},
}

const misuseEnv = "ONCETEST_MISUSE"

// TestMisuse fails, in a process of its own, and says why, and which seed it had.
func TestMisuse(t *testing.T) {
	if name := os.Getenv(misuseEnv); name != "" {
		synctest.Test(t, func(t *testing.T) { misuses[name].do(t, oncetest.New(t, 42)) })
		return
	}
	for name, misuse := range misuses {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMisuse$")
			command.Env = append(os.Environ(), misuseEnv+"="+name)
			output, err := command.CombinedOutput()
			if err == nil || !bytes.Contains(output, []byte(misuse.said)) || !bytes.Contains(output, []byte("the seed of the network is 42")) {
				t.Errorf("%v:\n%s", err, output)
			}
		})
	}
}

// TestHostIsOneByAnyName names a host in two ways.
func TestHostIsOneByAnyName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		if a, b := network.Host("10.0.0.1"), network.Host("::ffff:10.0.0.1"); a != b || b.String() != "10.0.0.1" {
			t.Errorf("%v is another than %v", a, b)
		}
	})
}

// TestAsk has a question outlive a line that breaks, and one end with who was asked.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hosts, ana, ben := pair(t, once.Config{})
		ask := func() <-chan string {
			told := make(chan string, 1)
			go func() {
				answer, err := ana.Ask(t.Context(), ben.UUID(), []byte("what?"))
				told <- fmt.Sprintf("%s %v", answer, err)
			}()
			return told
		}
		question := func() once.Question {
			event, err := ben.Next(t.Context())
			e, ok := event.(*once.Whisper)
			if err != nil || !ok || e.Question == once.NoQuestion {
				t.Fatalf("ben is told %v, %v", event, err)
			}
			return e.Question
		}
		told := ask()
		asked := question()
		hosts[0].Break()
		if err := ben.Reply(t.Context(), asked, []byte("this"), []byte("that")); err != nil {
			t.Error(err)
		}
		if got := <-told; got != "[this that] <nil>" {
			t.Errorf("the answer is %s", got)
		}
		if err := ben.Reply(t.Context(), asked, []byte("again")); !errors.Is(err, once.ErrAnswered) {
			t.Errorf("a second reply: %v", err)
		}
		told = ask()
		question()
		if err := ana.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		ben.Close()
		if got := <-told; got != "[] the peer has the question, and has not answered it: it is gone" {
			t.Errorf("it ends with %s", got)
		}
		ana.Close()
	})
}
