package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/files"
)

// defaultRetry is how long to wait for a peer that is gone in the middle of a transfer.
const defaultRetry = 10 * time.Minute

// transfers are those of a node that sends or receives files and does nothing else.
type transfers struct {
	*files.Files
	node   *once.Node
	report *report
	lines  chan string // answers on the terminal, from the first question on

	mu      sync.Mutex
	changed chan struct{} // closed when somebody comes or goes
	lives   context.Context
	ends    context.CancelFunc // of lives, when the node has ended
}

// transfer starts a node, does something with files, and says goodbye.
func (c *common) transfer(ctx context.Context, asJSON bool, groups []string, do func(*transfers) error) error {
	node, err := c.start(ctx, os.Stderr, groups...)
	if err != nil {
		return err
	}
	t := &transfers{Files: files.New(node), node: node, changed: make(chan struct{}), report: newReport(asJSON)}
	t.lives, t.ends = context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(t.read)
	work.Go(t.report.run)
	err = do(t)
	closing := node.Close()
	t.report.stop()
	work.Wait()
	if err == nil && !errors.Is(closing, once.ErrUndelivered) { // the transfers know better
		err = closing
	}
	return err
}

// read reads events until the node has ended.
func (t *transfers) read() {
	defer t.ends()
	for event := range t.Events(context.Background()) {
		_ = warnOf(event)
		t.mu.Lock()
		close(t.changed)
		t.changed = make(chan struct{})
		t.mu.Unlock()
	}
}

// until waits until somebody is present, and it was quiet for a moment then.
func (t *transfers) until(ctx context.Context, wait time.Duration, present func() bool) error {
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		t.mu.Lock()
		changed := t.changed
		t.mu.Unlock()
		var quiet <-chan time.Time
		if present() {
			quiet = time.After(settle)
		}
		select {
		case <-changed:
		case <-quiet:
			return nil
		case <-late.C:
			return context.DeadlineExceeded
		case <-t.lives.Done():
			return because(ctx, t.node, once.ErrStopped)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// comesBack tells whether a transfer may go on if the other side comes back, or the node
// where another process runs it.
func comesBack(err error) bool {
	return errors.Is(err, files.ErrGone) || errors.Is(err, files.ErrStalled) || errors.Is(err, once.ErrStopped)
}

func retryFlag(flags *pflag.FlagSet, retry *time.Duration) {
	*retry = defaultRetry
	flags.Var(waiting{retry}, "retry", "how long to wait for a peer that is gone in the middle")
}

// report tells how transfers go: on a terminal by a line that is kept up to date, in JSON
// by an object each second, and else only how each ends.
type report struct {
	asJSON  bool
	isLive  bool
	stopped chan struct{}

	mu      sync.Mutex
	running []*running
	line    int // characters of the line on the terminal
}

// running is a transfer that the report tells of.
type running struct {
	*files.Transfer
	peer  once.Peer
	sends bool
	began time.Time
	last  uint64  // octets, when it was looked at last
	rate  float64 // octets a second, of late
}

// pace is how often the report looks, and told each how manieth time JSON is written.
const (
	pace = 200 * time.Millisecond
	told = 5
)

func newReport(asJSON bool) *report {
	return &report{asJSON: asJSON, isLive: !asJSON && isTerminal(os.Stderr) && os.Getenv("TERM") != "dumb", stopped: make(chan struct{})}
}

func (r *report) stop() { close(r.stopped) }

func (r *report) run() {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
			r.look(n)
		case <-r.stopped:
			return
		}
	}
}

func (r *report) look(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.running {
		done := t.OctetsDone()
		t.rate += (float64(done-min(t.last, done))/pace.Seconds() - t.rate) / told
		t.last = done
		if r.asJSON && n%told == 0 {
			_ = writeJSON(os.Stdout, t.record("progress", nil)) // how it ends is told again
		}
	}
	if r.isLive && len(r.running) > 0 {
		r.draw(progress(r.running))
	}
}

// draw replaces the line on the terminal.
func (r *report) draw(line string) {
	fmt.Fprintf(os.Stderr, "\r%-*s\r%s", r.line, "", line)
	r.line = len(line)
}

// progress tells in one line how transfers go.
func progress(all []*running) string {
	var done, octets uint64
	var rate float64
	for _, t := range all {
		done, octets, rate = done+t.last, octets+t.Octets(), rate+t.rate
	}
	what := fmt.Sprintf("%d transfers", len(all))
	if len(all) == 1 {
		what = cut(all[0].Title(), cellWidth)
	}
	left := "waiting"
	if rate > 1 {
		left = fmt.Sprintf("%s/s, %v left", size(uint64(rate)), remaining(octets-min(done, octets), rate))
	}
	return fmt.Sprintf("%s: %d %% of %s, %s", what, 100*done/max(octets, 1), size(octets), left)
}

func remaining(octets uint64, rate float64) time.Duration {
	return time.Duration(float64(octets) / rate * float64(time.Second)).Round(time.Second)
}

// during reports on a transfer while it runs.
func (r *report) during(t *running, do func() error) error {
	t.began = time.Now()
	r.mu.Lock()
	r.running = append(r.running, t)
	r.mu.Unlock()
	err := do()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, other := range r.running {
		if other == t {
			r.running = append(r.running[:i], r.running[i+1:]...)
			break
		}
	}
	if r.isLive {
		r.draw("")
	}
	return errors.Join(err, r.end(t, err))
}

// end tells how a transfer has ended.
func (r *report) end(t *running, err error) error {
	switch {
	case r.asJSON && err == nil:
		return writeJSON(os.Stdout, t.record("done", nil))
	case r.asJSON:
		return writeJSON(os.Stdout, t.record("failed", err))
	case err != nil:
		return nil
	}
	_, err = fmt.Fprintln(os.Stdout, t.summary())
	return err
}

func (t *running) summary() string {
	took := time.Since(t.began)
	what := fmt.Sprintf("%s (%s in %v, %s/s)", cut(t.Title(), cellWidth), amount(t.Transfer), took.Round(time.Millisecond), size(uint64(float64(t.Octets())/took.Seconds())))
	if t.sends {
		return fmt.Sprintf("%s has %s", nameOf(t.peer), what)
	}
	return fmt.Sprintf("got %s from %s", what, nameOf(t.peer))
}

// transferRecord is a transfer as JSON.
type transferRecord struct {
	Type       string `json:"type"` // progress, done, failed
	Peer       string `json:"peer"`
	Name       string `json:"name"`
	Title      string `json:"title"`
	Files      int    `json:"files"`
	Octets     uint64 `json:"octets"`
	OctetsDone uint64 `json:"octets_done"`
	Rate       uint64 `json:"octets_per_second"`
	Left       uint64 `json:"seconds_left,omitempty"`
	Error      string `json:"error,omitempty"`
}

func (t *running) record(what string, err error) transferRecord {
	r := transferRecord{Type: what, Peer: t.Peer().String(), Name: t.peer.Name(), Title: t.Title(), Files: t.Files(),
		Octets: t.Octets(), OctetsDone: t.OctetsDone(), Rate: uint64(t.rate)}
	if t.rate > 1 {
		r.Left = uint64(remaining(r.Octets-min(r.OctetsDone, r.Octets), t.rate).Seconds())
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

func nameOf(peer once.Peer) string { return cut(peer.Name(), cellWidth) }

// amount tells how much is in a transfer.
func amount(t *files.Transfer) string {
	if t.Files() == 1 {
		return size(t.Octets())
	}
	return fmt.Sprintf("%d files and folders, %s", t.Files(), size(t.Octets()))
}

// size returns octets for people.
func size(octets uint64) string {
	if octets < 1000 {
		return fmt.Sprint(octets, " B")
	}
	value, unit := float64(octets), -1
	for ; value >= 999.5; unit++ {
		value /= 1000
	}
	return fmt.Sprintf("%.3g %cB", value, "kMGTPE"[unit])
}

// warn tells something that is no result.
func (r *report) warn(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isLive {
		r.draw("")
	}
	fmt.Fprintf(os.Stderr, "once: "+format+"\n", args...)
}
