//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	machine "github.com/sjohnr/at-once/generated/go/laddermachine"
)

// brief are the kinds of a short run.
var brief = []string{"open", "fc", "pr", "sym", "prr", "fw6", "tcp", "lan"}

// atOnce is how many pairs meet at a time, patience how long they may take to see whom they
// are to meet, or to meet.
const (
	atOnce   = 12
	patience = 30 * time.Second
)

// choose returns kinds, without those of miniupnpd if that is not there.
func choose(short bool, only, miniupnpd string) (list []kind, err error) {
	names := strings.Split(only, ",")
	for _, k := range kinds {
		if miniupnpd == "" && strings.HasPrefix(k.mapped, "miniupnpd") {
			continue
		}
		if only == "" && (!short || slices.Contains(brief, k.name)) || slices.Contains(names, k.name) {
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("--only %q names no kind", only)
	}
	return list, nil
}

// actor is a peer in a site.
type actor struct {
	kind  kind
	space string
	words []string // it was started with
	env   []string
	input io.WriteCloser
	end   func() // has it end, and waits until it has
	id    uuid.UUID

	mu      sync.Mutex
	reports []report
	news    chan struct{} // closed at each report
}

// start runs a command in a namespace, and returns what it is told and says.
func start(space, log string, env []string, words ...string) (*exec.Cmd, io.WriteCloser, *bufio.Scanner, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	c := exec.Command("ip", append([]string{"netns", "exec", space, self}, words...)...)
	c.Env = append(os.Environ(), env...)
	if c.Stderr, err = os.Create(log); err != nil {
		return nil, nil, nil, err
	}
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	if err := errors.Join(err1, err2, c.Start()); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", space, err)
	}
	return c, in, bufio.NewScanner(out), nil
}

// read takes what a peer reports.
func (a *actor) read(lines *bufio.Scanner) {
	for lines.Scan() {
		var r report
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue
		}
		a.mu.Lock()
		if r.What == "here" {
			a.id = r.Peer
		}
		a.reports = append(a.reports, r)
		close(a.news)
		a.news = make(chan struct{})
		a.mu.Unlock()
	}
}

// await waits until a peer has reported something that fits.
func (a *actor) await(within time.Duration, fits func(report) bool) (report, bool) {
	limit := time.After(within)
	for {
		a.mu.Lock()
		at, news := slices.IndexFunc(a.reports, fits), a.news
		var r report
		if at >= 0 {
			r = a.reports[at]
		}
		a.mu.Unlock()
		if at >= 0 {
			return r, true
		}
		select {
		case <-news:
		case <-limit:
			return report{}, false
		}
	}
}

// next is closed at the next report.
func (a *actor) next() chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.news
}

// last returns the last that a peer has reported of another.
func (a *actor) last(id uuid.UUID, what string) (last report, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range slices.Backward(a.reports) {
		if r.Peer == id && r.What == what {
			return r, true
		}
	}
	return last, false
}

// best returns the last link to a peer that a peer has reported.
func (a *actor) best(id uuid.UUID) report {
	best, _ := a.last(id, "found")
	return best
}

// tried returns what a peer has reported of its attempts to reach another.
func (a *actor) tried(id uuid.UUID) (list []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.reports {
		if r.Peer == id && (r.What == "tried" || r.What == "fault") {
			list = append(list, r.Rung+" "+r.Text)
		}
	}
	return list
}

// play builds the lab, and lets every two peers meet, with each delay.
func play(chosen []kind, casts []string, trips []time.Duration, logs, miniupnpd string) error {
	if logs == "" {
		dir, err := os.MkdirTemp("", "natlab")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		logs = dir
	}
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return err
	}
	l, sites, err := build(chosen, miniupnpd)
	if err != nil {
		return err
	}
	failed := 0
	for _, trip := range trips {
		l.wire.delay.Store(int64(trip / 2))
		for _, cast := range casts {
			fmt.Printf("\n%s with %v there and back between hosts\n", cast, trip)
			n, err := l.round(chosen, sites, cast, trip, filepath.Join(logs, cast+trip.String()))
			if err != nil {
				return err
			}
			failed += n
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d pairs did not meet as they should", failed)
	}
	return nil
}

// build builds the lab, with two hosts at sites of each kind.
func build(chosen []kind, miniupnpd string) (*lab, map[string][]string, error) {
	l := &lab{miniupnpd: miniupnpd, wire: &wire{at: map[[6]byte]*port{}}}
	l.space("server", serverAt)
	l.batch("server", "addr add "+serverV6+"/64 dev wan nodad\n")
	l.space("proxy", proxyAt)
	sites := map[string][]string{}
	for _, k := range chosen {
		sites[k.name] = l.site(k)
		if k.twin == "" {
			sites[k.name] = append(sites[k.name], l.site(k)...)
		}
	}
	l.routes()
	return l, sites, l.err
}

// pair is two peers that are to meet.
type pair struct {
	a, b *actor
	want want
}

// stage is a server and peers that run.
type stage struct {
	logs   string
	cast   map[string][]*actor // by the kinds of their sites
	server *exec.Cmd
	ends   []func()
}

// run starts a command in a namespace, which ends with the stage.
func (s *stage) run(space string, env []string, words ...string) (*exec.Cmd, io.WriteCloser, *bufio.Scanner, error) {
	c, in, out, err := start(space, filepath.Join(s.logs, space+".log"), env, words...)
	if err == nil {
		s.ends = append(s.ends, func() { _ = in.Close(); _ = c.Process.Kill(); _ = c.Wait() })
	}
	return c, in, out, err
}

func (s *stage) end() {
	for _, end := range s.ends {
		end()
	}
}

// round starts a server and peers, and lets every two meet.
func (l *lab) round(chosen []kind, sites map[string][]string, parts string, trip time.Duration, logs string) (failed int, err error) {
	s, err := l.raise(chosen, sites, parts, logs)
	defer s.end()
	if err != nil {
		return 0, err
	}
	return meetAll(chosen, s.cast, parts, trip), nil
}

// raise starts a server, a proxy, gateways, and a peer in each host of the sites. The caller
// ends the stage, also after an error.
func (l *lab) raise(chosen []kind, sites map[string][]string, parts, logs string) (*stage, error) {
	s := &stage{logs: logs, cast: map[string][]*actor{}}
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return s, err
	}
	certificate := filepath.Join(logs, "certificate.pem")
	c, _, out, err := s.run("server", nil, "server", certificate)
	if err != nil {
		return s, err
	}
	s.server = c
	var addresses []string
	for len(addresses) < 2 && out.Scan() {
		addresses = append(addresses, out.Text())
	}
	if len(addresses) < 2 {
		return s, errors.New("the server does not start: see --logs")
	}
	_, _, out, err = s.run("proxy", nil, "proxy")
	if err != nil || !out.Scan() {
		return s, fmt.Errorf("the proxy does not start: %w", err)
	}
	for _, k := range chosen {
		for _, space := range sites[k.name] {
			if err := l.settle(s, k, space, parts, certificate, addresses); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// settle starts the gateway of a host, if its site has one, and its peer.
func (l *lab) settle(s *stage, k kind, space, parts, certificate string, addresses []string) error {
	if pcp, mini := strings.CutPrefix(k.mapped, "miniupnpd "); mini {
		end, err := l.runMiniupnpd(l.miniupnpd, "r"+space[1:], l.at(space), pcp, s.logs)
		if err != nil {
			return err
		}
		s.ends = append(s.ends, end)
	} else if k.mapped != "" {
		_, _, out, err := s.run("r"+space[1:], nil, "gateway", k.mapped)
		if err != nil || !out.Scan() {
			return fmt.Errorf("the gateway of %s (%s) does not start: %w", space, k.name, err)
		}
	}
	words := []string{"peer"}
	if parts == "nodes" {
		words = []string{"node", filepath.Join(s.logs, space+".identity")}
	}
	if words = append(words, addresses[0]); k.six {
		words = append(words, addresses[1])
	}
	env := []string{"SSL_CERT_FILE=" + certificate}
	if k.nat == "proxy" {
		env = append(env, "HTTPS_PROXY=http://"+proxyAt+":3128")
	}
	a, err := s.launch(k, space, words, env)
	if err == nil {
		s.cast[k.name] = append(s.cast[k.name], a)
	}
	return err
}

// launch starts a peer in a host, and waits until it is there.
func (s *stage) launch(k kind, space string, words, env []string) (*actor, error) {
	a := &actor{kind: k, space: space, words: words, env: env, news: make(chan struct{})}
	c, in, out, err := s.run(space, env, words...)
	if err != nil {
		return nil, err
	}
	a.input = in
	read := make(chan struct{})
	go func() {
		defer close(read)
		a.read(out)
	}()
	a.end = func() { // and its output with it
		_ = in.Close()
		<-read
		_ = c.Wait()
	}
	if _, ok := a.await(patience, func(r report) bool { return r.What == "here" }); !ok {
		return nil, fmt.Errorf("the peer in %s (%s) does not start: see --logs", space, k.name)
	}
	return a, nil
}

// meetAll lets every two meet, and prints how.
func meetAll(chosen []kind, cast map[string][]*actor, parts string, trip time.Duration) (failed int) {
	var pairs []pair
	for i, k := range chosen {
		for _, other := range chosen[i:] {
			want := wanted(k, other, trip > 0)
			if k.name == other.name && k.twin != "" {
				want = wantedInside(k)
			}
			if parts == "nodes" {
				want = ways(want)
			}
			pairs = append(pairs, pair{cast[k.name][0], cast[other.name][1], want})
		}
	}
	fmt.Printf("%-14s %-9s %9s %9s %9s\n", "pair", "rung", "first", "link", "best")
	var mu sync.Mutex
	var work sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, p := range pairs {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			line, ok := p.meet()
			mu.Lock()
			defer mu.Unlock()
			fmt.Println(line)
			if !ok {
				failed++
			}
		})
	}
	work.Wait()
	if trip != slowTrip {
		return failed
	}
	return failed + hastenAll(pairs, parts == "nodes")
}

func (p pair) name() string { return p.a.kind.name + " " + p.b.kind.name }

// agree waits until both use a link as they should, or no better one is found in time.
func (p pair) agree(within time.Duration) (near, far report) {
	limit := time.After(within)
	for {
		news := []chan struct{}{p.a.next(), p.b.next()}
		near, far = p.a.best(p.b.id), p.b.best(p.a.id)
		if near.Rung == far.Rung && near.Rung != "relayed" && slices.Contains(p.want, near.Rung) {
			return near, far
		}
		select {
		case <-news[0]:
		case <-news[1]:
		case <-limit:
			return near, far
		}
	}
}

// meet lets two peers meet, and says how they have.
func (p pair) meet() (line string, ok bool) {
	fault := func(text string) (string, bool) {
		near, far := p.a.tried(p.b.id), p.b.tried(p.a.id)
		return fmt.Sprintf("%-14s FAULT: %s\n    %s", p.name(), text, strings.Join(append(near, far...), "\n    ")), false
	}
	about := func(what string, other *actor, rungs ...string) func(report) bool {
		return func(r report) bool {
			return r.What == what && r.Peer == other.id && (rungs == nil || slices.Contains(rungs, r.Rung))
		}
	}
	for _, side := range []pair{{p.a, p.b, nil}, {p.b, p.a, nil}} {
		if _, ok := side.a.await(patience, func(r report) bool { return r.What == "mapped" || side.a.kind.mapped == "" }); !ok {
			return fault("no gateway of " + side.a.kind.name + " maps its port")
		}
		if _, ok := side.a.await(patience, about("knows", side.b)); !ok {
			return fault(side.a.kind.name + " is not told of the other")
		}
	}
	if err := json.NewEncoder(p.a.input).Encode(order{Reach: p.b.id}); err != nil {
		return fault(err.Error())
	}
	began, ok := p.a.await(patience, about("reach", p.b))
	if !ok {
		return fault("it does not look")
	}
	var took [3]time.Duration
	first, ok := p.b.await(patience, func(r report) bool {
		return r.Peer == p.a.id && (r.What == "ahead" || r.What == "message")
	})
	if !ok {
		return fault("nothing arrives")
	}
	took[0] = first.Time.Sub(began.Time)
	if first, ok = p.b.await(patience, about("message", p.a)); !ok {
		return fault("nothing arrives over a link")
	}
	took[1] = first.Time.Sub(began.Time)
	within := patience
	if slices.Contains(p.want, "relayed") {
		within = machine.DefaultClimb + 2*time.Second
	}
	near, far := p.agree(within)
	took[2] = max(near.Time.Sub(began.Time), far.Time.Sub(began.Time))
	switch {
	case near.Rung != far.Rung:
		return fault(fmt.Sprintf("one side has %s, the other %s, wanted %s", near.Rung, far.Rung, strings.Join(p.want, " or ")))
	case !slices.Contains(p.want, near.Rung):
		return fault(fmt.Sprintf("%s, wanted %s", near.Rung, strings.Join(p.want, " or ")))
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/1e6) }
	return fmt.Sprintf("%-14s %-9s %9s %9s %9s", p.name(), near.Rung, ms(took[0]), ms(took[1]), ms(took[2])), true
}
