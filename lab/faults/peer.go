//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// What may wait in a node, in octets: for each peer, and for its program.
const (
	outbox = 1 << 20
	inbox  = 1 << 20
)

// birth is what a process is told first.
type birth struct {
	Nodes, Me int
	Life      uint32
	Dir       string // of its identity; empty for a new one
	Security  once.Security
	Advertise string
	Servers   []string      // by which it is found; none for who is told whom to meet
	Taken     string        // a file for what it has taken; empty for none
	Short     bool          // time-outs
	Parent    time.Time     // when it is started, by the clock of who does so
	Ahead     time.Duration // by how much its clock is wrong
}

// born is the answer.
type born struct {
	UUID     uuid.UUID
	Endpoint string
}

// order is what a process is told to do.
type order struct {
	Do       string // meet, say, skip, pause, resume, state, flush, mark, collect or end
	UUID     uuid.UUID
	Endpoint string
	Step     int // up to which is said
}

// report is the answer to each order.
type report struct {
	Step   int // of the next
	Idle   bool
	Peers  []acquaintance // by number; one's own is empty
	Live   uint64         // octets that are in use, after collect
	Counts map[string]uint64
	Clock  time.Duration // by how much it was ahead when the process was started, or a little more
	Fault  string        // what nobody should see
}

// acquaintance is what a process knows of a peer.
type acquaintance struct {
	UUID          uuid.UUID
	Life          uint32 // of what it says
	Present       bool
	Enters, Exits int
	Suspects      int
	Reason        once.Reason // of the latest exit
	Way           string      // that it is reached on

	First, Next                    int // step that was heard first, and that is heard next
	Taken                          int // messages that were read
	Lost, Doubled, Disorder, Wrong int
	Queued                         uint64 // that the node has queued for the program

	SaidFirst, SaidLast, Said int // steps, and how many, since mark
	Unacknowledged            int // messages, after flush
	UnacknowledgedOctets      int
	Missed                    int // messages that flush told to be lost

	Back, BackLast, BackWrong int // what came back since mark: messages, the last step, and those that are not the next
}

// player is a node that plays its script.
type player struct {
	script
	birth
	node  *once.Node
	taken *os.File
	clock time.Duration // see report

	mu     sync.Mutex // guards what follows
	change sync.Cond
	limit  int
	step   int
	idle   bool
	paused bool
	over   bool
	peers  []acquaintance
	gaps   []map[int]bool // steps that were not heard
	fault  string
}

// serve plays a node that obeys what it reads.
func serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	orders, answers := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	var p player
	if err := orders.Decode(&p.birth); err != nil {
		return err
	}
	p.clock = time.Since(p.Parent)
	if err := p.start(ctx); err != nil {
		return err
	}
	var work sync.WaitGroup
	work.Go(func() { p.hear(ctx) })
	work.Go(func() { p.speak(ctx) })
	defer work.Wait()
	defer p.end()
	defer cancel()
	if err := answers.Encode(born{p.node.UUID(), p.node.Endpoint()}); err != nil {
		return err
	}
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) || o.Do == "end" {
			return nil
		} else if err != nil {
			return err
		}
		r, err := p.obey(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", o.Do, err)
		}
		if err := answers.Encode(r); err != nil {
			return err
		}
	}
}

func nameOf(number int) string { return fmt.Sprint("node ", number) }

// start starts the node.
func (p *player) start(ctx context.Context) (err error) {
	p.script = script{p.Nodes, p.Me}
	p.change.L = &p.mu
	p.peers, p.gaps = make([]acquaintance, p.Nodes), make([]map[int]bool, p.Nodes)
	for i := range p.peers {
		p.peers[i] = acquaintance{First: -1, SaidFirst: -1, SaidLast: -1, BackLast: -1}
		p.gaps[i] = map[int]bool{}
	}
	if p.Taken != "" {
		if p.taken, err = os.OpenFile(p.Taken, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
			return err
		}
	}
	config := once.Config{
		Name: nameOf(p.Me), Groups: []string{room}, Security: p.Security, Interfaces: []string{"lo"}, BeaconPort: once.NoBeacon,
		Endpoint: "tcp://127.0.0.1:*", Advertise: p.Advertise, Outbox: outbox, Inbox: inbox, Servers: p.Servers,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if p.Dir != "" {
		if config.Identity, err = once.OpenIdentity(p.Dir); err != nil {
			return err
		}
	}
	if p.Short {
		config.Evasive, config.Silent, config.Expired = 2*time.Second, 4*time.Second, 8*time.Second
	}
	p.node, err = once.Start(context.WithoutCancel(ctx), config)
	return err
}

// end stops the node.
func (p *player) end() {
	p.mu.Lock()
	p.over = true
	p.change.Broadcast()
	p.mu.Unlock()
	_ = p.node.Close() // what is not delivered was told
	if p.taken != nil {
		_ = p.taken.Close() // all was written
	}
}

// obey does what the process is told.
func (p *player) obey(ctx context.Context, o order) (r report, err error) {
	switch o.Do {
	case "meet":
		err = p.node.Connect(o.UUID, o.Endpoint)
	case "flush":
		p.flush(ctx)
	case "collect":
		runtime.GC()
		runtime.GC() // what pools had is let go of then
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		r.Live = live[0].Value.Uint64()
	}
	p.mu.Lock()
	switch o.Do {
	case "say":
		p.limit = max(p.limit, o.Step)
		p.idle = p.idle && p.step == p.limit
	case "skip":
		p.step, p.limit = o.Step, o.Step
	case "pause", "resume":
		p.paused = o.Do == "pause"
	case "mark":
		for i := range p.peers {
			if a := &p.peers[i]; a.UUID == o.UUID {
				a.SaidFirst, a.SaidLast, a.Said, a.Back, a.BackLast, a.BackWrong, a.Missed = -1, -1, 0, 0, -1, 0, 0
			}
		}
	}
	p.change.Broadcast()
	r.Step, r.Idle, r.Fault = p.step, p.idle, p.fault
	for i := range p.peers {
		p.peers[i].Lost = len(p.gaps[i])
	}
	r.Peers = append(r.Peers, p.peers...)
	p.mu.Unlock()
	for i := range r.Peers {
		if a := &r.Peers[i]; a.Present {
			if t, err := p.node.Traffic(a.UUID); err == nil { // else it has just gone
				a.Queued = t.ReceivedMessages
			}
			if other, err := p.node.Peer(a.UUID); err == nil { // the same
				a.Way = other.Way().String()
			}
		}
	}
	r.Counts, r.Clock = p.node.Counts(), p.clock
	return r, err
}

// flush finds out what is not acknowledged now.
func (p *player) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	err := p.node.Flush(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.peers {
		p.peers[i].Unacknowledged, p.peers[i].UnacknowledgedOctets = 0, 0
	}
	var undelivered *once.UndeliveredError
	if !errors.As(err, &undelivered) {
		if err != nil && ctx.Err() == nil {
			p.fault = fmt.Sprintf("flush: %v", err)
		}
		return
	}
	for _, m := range undelivered.Missed {
		for i := range p.peers {
			switch a := &p.peers[i]; {
			case a.UUID != m.UUID:
			case m.Reason == "":
				a.Unacknowledged, a.UnacknowledgedOctets = int(m.Messages), int(m.Octets)
			default:
				a.Missed += int(m.Messages)
			}
		}
	}
}

// speak plays the script as far as it is let.
func (p *player) speak(ctx context.Context) {
	var b []byte
	for {
		p.mu.Lock()
		for p.step == p.limit && !p.over {
			p.idle = true
			p.change.Broadcast()
			p.change.Wait()
		}
		step := p.step
		p.idle = false
		over := p.over
		p.mu.Unlock()
		if over {
			return
		}
		b = label{step, p.Life, uint32(p.Me)}.appendContent(b[:0])
		if err := p.act(ctx, step, b); err != nil && ctx.Err() == nil {
			p.wrong("step %d: %v", step, err)
		}
		p.mu.Lock()
		p.step++
		p.mu.Unlock()
	}
}

// act does a step of the script.
func (p *player) act(ctx context.Context, step int, content []byte) error {
	switch what, to := p.does(step); what {
	case joins:
		return p.node.Join(side)
	case leaves:
		return p.node.Leave(side)
	case whispers:
		p.mu.Lock()
		id := p.peers[to].UUID
		p.mu.Unlock()
		if err := p.node.Whisper(ctx, id, content); errors.Is(err, once.ErrNoPeer) {
			return nil
		} else if err != nil {
			return err
		}
		p.said(step, to)
		return nil
	}
	n, err := p.node.Shout(ctx, room, content)
	for to := range p.peers {
		switch {
		case to == p.Me:
		case n == p.Nodes-1:
			p.said(step, to)
		case n > 0 && to != p.Nodes-1: // who is killed, or suspect, does not get it
			p.said(step, to)
		}
	}
	return err
}

// said notes that something was said to a peer.
func (p *player) said(step, to int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peers[to].said(step)
}

func (a *acquaintance) said(step int) {
	if step == a.SaidLast { // and came back meanwhile
		return
	}
	if a.SaidFirst < 0 {
		a.SaidFirst = step
	}
	a.SaidLast = step
	a.Said++
}

func (p *player) wrong(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == "" {
		p.fault = fmt.Sprintf(format, args...)
	}
}

// hear takes what the node is told.
func (p *player) hear(ctx context.Context) {
	for {
		p.mu.Lock()
		for p.paused && !p.over {
			p.change.Wait()
		}
		p.mu.Unlock()
		e, err := p.node.Next(ctx)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.takes(e)
		p.mu.Unlock()
	}
}

// takes takes in an event.
func (p *player) takes(e once.Event) {
	if _, notice := e.(*once.Notice); notice { // servers are away, or back
		return
	}
	var from int
	id := e.About().Peer.UUID()
	if _, err := fmt.Sscanf(e.About().Peer.Name(), "node %d", &from); err != nil || from < 0 || from >= p.Nodes {
		p.fault = fmt.Sprintf("an event of nobody: %v", e)
		return
	}
	a := &p.peers[from]
	switch e := e.(type) {
	case *once.Enter:
		if a.Present {
			p.fault = fmt.Sprintf("%v, who is present", e)
		}
		a.UUID, a.Present, a.First, a.Taken, a.Life = id, true, -1, 0, 0
		a.Enters++
	case *once.Exit:
		a.Present, a.Reason = false, e.Reason
		a.Exits++
	case *once.Suspect:
		a.Suspects++
	case *once.Join:
		if e.Group == side {
			p.heard(a, from, joins, label{a.Next, a.Life, uint32(from)})
		}
	case *once.Leave:
		if e.Group == side {
			p.heard(a, from, leaves, label{a.Next, a.Life, uint32(from)})
		}
	case *once.Whisper:
		p.content(a, from, whispers, e.Content)
	case *once.Shout:
		p.content(a, from, shouts, e.Content)
	case *once.Undelivered:
		p.back(a, from, e)
	}
}

// content takes in what a peer has said.
func (p *player) content(a *acquaintance, from int, what kind, content [][]byte) {
	l, ok := labelOf(content)
	if !ok || int(l.from) != from {
		a.Wrong++
		return
	}
	if p.taken != nil {
		b := binary.BigEndian.AppendUint64(nil, uint64(l.step))
		b = binary.BigEndian.AppendUint32(b, l.life)
		if _, err := p.taken.Write(binary.BigEndian.AppendUint32(b, l.from)); err != nil {
			p.fault = err.Error()
		}
	}
	a.Taken++
	p.heard(a, from, what, l)
}

// heard compares a step of a peer with what comes next in its script.
func (p *player) heard(a *acquaintance, from int, what kind, l label) {
	theirs := script{p.Nodes, from}
	if a.First < 0 {
		if what != whispers && what != shouts { // what it has joined before is told with its enter
			return
		}
		a.First, a.Next, a.Life = l.step, l.step, l.life
		clear(p.gaps[from])
	}
	expected, _ := theirs.does(l.step)
	switch {
	case l.life != a.Life || expected != what || !theirs.meant(l.step, p.Me):
		a.Wrong++
	case l.step == a.Next:
		a.Next = theirs.next(a.Next+1, p.Me)
	case l.step > a.Next:
		for a.Next < l.step && len(p.gaps[from]) < 10_000 {
			p.gaps[from][a.Next] = true
			a.Next = theirs.next(a.Next+1, p.Me)
		}
		a.Next = theirs.next(l.step+1, p.Me)
	case p.gaps[from][l.step]:
		delete(p.gaps[from], l.step)
		a.Disorder++
	default:
		a.Doubled++
	}
}

// back takes in what has come back.
func (p *player) back(a *acquaintance, from int, e *once.Undelivered) {
	l, ok := labelOf(e.Content)
	what, _ := p.does(l.step)
	switch {
	case !ok, l.life != p.Life, int(l.from) != p.Me, (what == shouts) != (e.Group == room), !p.meant(l.step, from),
		a.BackLast >= 0 && l.step != p.nextContent(a.BackLast+1, from):
		a.BackWrong++
	}
	if what == shouts && l.step > a.SaidLast { // a channel without room has ended with it, and Shout does not count it
		a.said(l.step)
	}
	a.Back++
	a.BackLast = l.step
}
