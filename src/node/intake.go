package node

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceask"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zre"
)

// errUnopened ends a link of a channel over which something came that does not open: the
// other side says it again.
var errUnopened = errors.New("sealed content does not open")

// intake takes in what a peer says: over one connection, or in a channel over one link after
// another.
type intake struct {
	*base
	events.Bringer
	turns       *turns
	takeServers func(from uuid.UUID, m *onceask.Servers) // takes in what the peer brings
	peer        uuid.UUID
	voice       zre.LinkID // the connection, or the first link of the channel
	theirs      uint64     // the peer's number of the channel
	ours        uint64     // our number of it
	badge       *zre.Badge // that the peer has shown in the greeting which begins it
	tie         *guard.Tie // proves what is said about its links; nil where nothing does

	excessive atomic.Bool  // what came while the application has no room takes too much
	told      atomic.Int64 // when the loop was last told that the peer waits, in nanoseconds since 1970

	mu       sync.Mutex       // guards what follows; held by who takes in, who waits for the loop alone
	over     *inbound         // the connection that it comes over now
	channel  *channel.Channel // nil until the greeting is accepted
	opens    channel.Unsealer
	sequence uint16
	crowded  bool           // the application has to make room before the peer may say more
	ended    bool           // nothing is taken in any more
	unopened bool           // content that was sealed did not open, which the peer is yet to be told
	reached  uint64         // how many messages are taken in with the run that is pushed
	heard    channel.Amount // content that is in it
	whisper  zremsg.Whisper
	exchange zremsg.Exchange
	shout    zremsg.Shout
	answers  []answer            // that came with the run
	dropped  map[string]struct{} // groups in which plain content was dropped
	reach    *channel.Reach
	failed   uint64        // where in the channel something last failed to open, and one more
	excess   int           // octets of memory for what came while it is crowded
	late     *time.Timer   // when the peer is told what came; nil before the first
	delay    time.Duration // for which late was set; 0 when it is not
	scratch  []byte
}

// push queues a run of events, the last of so many messages that came. If it has to wait,
// the peer is told that we live. It tells whether more may come. Of content that is not
// taken the peer is not to believe that it was.
func (r *intake) push(run *Batch, came uint64) bool {
	if !r.unopened || r.theirs != 0 {
		r.reached = came
	}
	empty := run.Size() == 0
	waits := r.stall
	if r.theirs != 0 {
		waits = nil
		r.rush(run)
	}
	taken := r.events.Push(run, &r.Bringer, r.reached, waits)
	if len(r.answers) > 0 {
		r.answered()
	}
	if !taken && !empty && r.theirs == 0 {
		r.over.link.Spoil()
	} else if !empty {
		r.channel.Received(r.heard)
	}
	r.heard = channel.Amount{}
	return taken || empty && r.events.Ended()
}

// stall tells the loop, once in a while, that what the peer says waits for the application.
func (r *intake) stall() {
	now, last := time.Now().UnixNano(), r.told.Load()
	if time.Duration(now-last) > r.settings.Evasive/2 && r.told.CompareAndSwap(last, now) {
		r.turns.later(zre.Stalled{Peer: r.peer})
	}
}

// rush counts what memory a run takes that comes while the application has no room: it is
// taken in, for the peer was let say it before that was known.
func (r *intake) rush(run *Batch) {
	if !r.crowded {
		r.excess = 0
	} else if r.excess += run.Octets(); r.excess > 2*channel.FirstWindow+int(r.reach.Window()) {
		r.excessive.Store(true)
	}
}

// pause waits for the application if what has come takes far more memory than it has octets.
// It is called before anything is taken in.
func (r *intake) pause() {
	if r.excessive.Load() {
		r.events.Await(&r.Bringer, r.stall)
		r.excessive.Store(false)
	}
}

// content adds a whisper or shout to a run of events. It tells whether that is
// all there is to it: out of step, the loop must know. An error ends the
// connection.
func (r *intake) content(run *Batch, id zremsg.ID, frames [][]byte, at time.Time) (inStep bool, err error) {
	e := events.Facts{Peer: r.channel.Peer(), At: at}
	var sequence uint16
	exchange := id == zremsg.IDExchange
	switch id {
	case zremsg.IDWhisper:
		err = r.whisper.Decode(frames[0], frames[1:])
		e.Type, e.Content, sequence = api.EventTypeWhisper, r.whisper.Content, r.whisper.Sequence
	case zremsg.IDExchange:
		err = r.exchange.Decode(frames[0], frames[1:])
		e.Type, e.Content, sequence = api.EventTypeWhisper, r.exchange.Content, r.exchange.Sequence
	default:
		err = r.shout.Decode(frames[0], frames[1:])
		e.Type, e.Content, sequence = api.EventTypeShout, r.shout.Content, r.shout.Sequence
		e.Group = r.shout.Group
	}
	if err != nil {
		r.count("messages that are malformed")
		return true, nil
	}
	inStep = r.inStep(sequence)
	if e.Peer.Badge().Seals() {
		if err := r.unseal(run, &e, exchange); err != nil || len(e.Content) == 0 {
			return inStep, err
		}
		exchange = e.Type == api.EventTypeWhisper && r.opens.Exchange()
	} else if _, only := r.settings.sealed[e.Group]; only && e.Peer.Protection() == api.PeerProtectionPlain {
		r.dropPlain(e.Peer, e.Group)
		return inStep, nil
	}
	if exchange && !r.exchanged(&e) {
		return inStep, nil
	}
	run.Add(e)
	r.heard.Messages++
	for _, frame := range frames {
		r.heard.Octets += uint64(len(frame))
	}
	return inStep, nil
}

// inStep adopts a message's sequence number and tells whether it is the next.
func (r *intake) inStep(sequence uint16) bool {
	r.sequence++
	if r.sequence == sequence {
		return true
	}
	r.sequence = sequence
	return false
}

// unseal opens the content of an event in its place. What does not open is counted
// and has no content then. An exchange is not to come unsealed. An error ends the connection.
func (r *intake) unseal(run *Batch, e *events.Facts, exchange bool) (err error) {
	e.Content, err = run.Open(func(frames [][]byte) ([][]byte, error) {
		if exchange {
			return nil, channel.ErrNotSealed
		}
		if e.Type == api.EventTypeWhisper {
			return r.opens.Whisper(r.channel, e.Content, frames)
		}
		return r.opens.Shout(e.Group, e.Content, frames)
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, channel.ErrCostly):
		return err
	}
	r.unopened = true
	if r.theirs == 0 {
		r.over.link.Spoil()
	}
	switch {
	case errors.Is(err, channel.ErrNotSealed):
		r.count("content that is not sealed")
	default:
		r.count("content that does not open")
		r.log(r.peer).Debug("content does not open", "error", err)
	}
	if r.theirs != 0 {
		return errUnopened
	}
	if errors.Is(err, seal.ErrKey) || errors.Is(err, seal.ErrGap) { // our greeting makes the peer begin anew
		r.turns.post(zre.OutOfStep{Peer: r.peer, Link: r.voice})
	}
	return nil
}

// dropPlain takes note of content of a peer that is for a group in which only what is
// sealed counts. Both sides are told the first time.
func (r *intake) dropPlain(peer *Peer, group string) {
	r.count("content that is not sealed")
	if _, told := r.dropped[group]; told {
		return
	}
	if len(r.dropped) == 0 {
		r.dropped = map[string]struct{}{}
		if r.over.nonces.Fresh() {
			r.over.link.Refuse(api.EventRefusalSealed.String())
		}
	}
	r.dropped[group] = struct{}{}
	r.refuse(&r.guard.Meetings, peer.UUID(), peer.Name(), peer.At(),
		fmt.Errorf("%w to group %q, where only what is sealed counts", guard.ErrDropped, group))
}

// acknowledge tells the peer how far it was received: now, or when that is due, the next
// time or a little later.
func (r *intake) acknowledge(now bool) {
	switch {
	case r.ended || !now && !r.reach.Owes():
	case now || r.reach.Due():
		r.sayReach()
	default:
		r.sayLater(r.reach.Delay())
	}
}

// sayLater has the peer told how far it was received after a delay, or sooner if that was to be.
func (r *intake) sayLater(delay time.Duration) {
	switch {
	case r.delay > 0 && r.delay <= delay:
		return
	case r.late == nil:
		r.late = time.AfterFunc(delay, r.overdue)
	default:
		r.late.Reset(delay)
	}
	r.delay = delay
}

// acknowledgeOver tells the peer at once, over another link, how far it was received.
func (r *intake) acknowledgeOver(link *inbound) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = link
	r.acknowledge(true)
}

// overdue is called when an acknowledgement has waited for long enough, or while the application
// has no room: a peer that may say no more has nothing else to hear from us.
func (r *intake) overdue() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.delay = 0; !r.ended && (r.reach.Owes() || r.crowded) {
		r.sayReach()
	}
}

// relieved is called when the application has made room.
func (r *intake) relieved() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.crowded = false; !r.ended {
		r.sayReach()
	}
}

// sayReach says an ACK over the link that the latest came over, or that has begun since. If
// there is no room for it, or the link has ended, one says it that begins later.
func (r *intake) sayReach() {
	if !r.crowded && !r.events.Room(r.relieved) {
		r.crowded = true
	}
	m := oncelink.Ack{Own: r.ours, Other: r.theirs, Mac: unproved[:]}
	m.Position, m.Edge = r.reach.Told(time.Now(), !r.crowded, r.budget, r.settings.Outbox)
	r.scratch = r.over.say(&m, r.tie, r.scratch)
	if r.crowded {
		r.sayLater(oncelink.MaxSilence * time.Millisecond)
	}
}

// end has nothing taken in any more, and says last what was: over each link, for one may be
// lost, with what was said there before.
func (r *intake) end(links []*receiver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, link := range links {
		r.over = &link.inbound
		r.sayReach()
	}
	if r.ended = true; r.late != nil {
		r.late.Stop()
	}
	r.reach.End(r.budget)
}

// exchanged takes in a message of once_ask, which the content of an event is. It tells whether
// that is a question: then the event is that. It is called by who waits for the loop alone.
func (r *intake) exchanged(e *events.Facts) bool {
	m, err := onceask.Parse(e.Content[0], e.Content[1:])
	if err != nil || r.theirs == 0 || len(m.Frames()) == 0 {
		r.count("questions and answers that are malformed, or in no channel")
		return false
	}
	e.Content = m.Frames()
	switch m := m.(type) {
	case *onceask.Question:
		if e.Asks = r.questions.add(r.channel, m.Number); e.Asks > 0 {
			return true
		}
		r.count("questions over the limit")
	case *onceask.Servers:
		r.takeServers(r.peer, m)
	case *onceask.Answer:
		if e.Status = m.Status; r.asks.waits(r.channel, m.Number) {
			r.answers = append(r.answers, answer{m.Number, events.Kept(*e)})
		} else {
			r.count("answers that nobody waits for")
		}
	}
	return false
}

// answered hands on the answers that have come with a run of events, which has been queued: what
// the peer has said before comes before.
func (r *intake) answered() {
	for _, a := range r.answers {
		if !r.asks.answered(r.channel, a.number, a.event) {
			r.count("answers that nobody waits for")
		}
	}
	clear(r.answers)
	r.answers = r.answers[:0]
}
