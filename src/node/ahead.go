package node

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// What is said to a peer before there is a link with it; see api/protocol/once_record.xml. Each
// side has a link of its own that leads to nobody: what the sender says over its own is sent
// ahead, and is said over the receiver's own as if it had come. Both links end when another one
// of the two nodes begins, and the channel goes on over that.

// maxAhead is how many octets of content, in frames, are said ahead, as the class model has it:
// there has to be room for a HELLO, and for what seals all of it.
const maxAhead = oncemsg.MaxCircuitAhead / 2

// whisperAhead is Whisper to a peer that is not present: it has the request for the first way to
// it bring the message. It tells whether it has said it: if not, the peer is to be met first.
func (n *Node) whisperAhead(ctx context.Context, peer uuid.UUID, content [][]byte) (said bool, err error) {
	strange := false
	if octets, _ := channel.SizeOf(0, content); octets > maxAhead || n.while(func(l *loop) { strange = l.strange(peer) }) != nil || !strange {
		return false, nil
	}
	who := n.ears.wan.Ahead(ctx, peer)
	if who == nil {
		return false, nil
	}
	if err := n.guard.Befriends(who.Inside.Name, who.Card, who.Inside.Token); err != nil { // it would hear what is said
		n.log(peer).Debug("nothing is said ahead of a link", "error", err)
		return false, nil
	}
	a, err := n.openAhead(ctx, who)
	if err != nil {
		return false, err
	}
	to := channel.New(zre.Described(zre.Description{
		ID: peer, Name: who.Inside.Name, Endpoint: sight.Met(peer), Badge: &zre.Badge{Card: who.Card, Challenge: who.Inside.Challenge},
	}), nil)
	if err := n.while(func(l *loop) { said = a.begin(l, to) }); err != nil || !said {
		a.ends()
		_ = a.Close()
		return false, err
	}
	err = n.sender.Load().Whisper(a.stands, to, content)
	if err != nil && ctx.Err() == nil && a.stands.Err() != nil { // it has ended before that was said
		return false, nil
	}
	n.sendAhead(a, to.Path())
	if err == nil {
		err = n.follows(ctx, a)
	}
	return true, err
}

// sendAhead has what was said on the link brought to the peer, if that is still of use.
func (n *Node) sendAhead(a *ahead, path *channel.Path) {
	sealed := n.sealAhead(a.stands, a, path)
	_ = n.while(func(l *loop) { // nobody is spoken to when it has stopped
		if t := l.of(a.to.ID).talk; t == a.talk && t.over != nil && t.over.ahead {
			l.wan.SayAhead(a.to.ID, sealed)
		}
	})
}

// follows waits until the peer is present in the channel in which something was said to it ahead.
func (n *Node) follows(ctx context.Context, a *ahead) error {
	_, err := n.meet(ctx, a.to.ID)
	if err == nil {
		err = n.try(func(l *loop) error { // what was said in another channel is not said again
			if l.of(a.to.ID).talk != a.talk {
				return api.ErrNoPeer
			}
			return nil
		})
	}
	if err != nil {
		err = fmt.Errorf("%w; what was said to it may have arrived", err)
	}
	return err
}

// sealAhead returns what was said on the link, sealed for the peer; nothing if that cannot be: then
// it is said over the first link that leads to the peer.
func (s *base) sealAhead(ctx context.Context, a *ahead, path *channel.Path) (octets []byte) {
	err := path.Write(ctx, 0)
	if err == nil {
		octets, err = rendezvous.SealAhead(s.guard.Identity, a.to.Card, a.to.Inside.Challenge, a.talk.mine, a.nonces.Own[:], a.conn.Take())
	}
	if err != nil || len(octets) > oncemsg.MaxCircuitAhead {
		s.log(a.to.ID).Debug("nothing is said ahead of a link", "octets", len(octets), "error", err)
		return nil
	}
	return octets
}

// ahead is a link of a sender that leads to nobody.
type ahead struct {
	*link.Link
	conn   *link.Nobody
	nonces guard.Nonces
	to     *client.Peer
	talk   *talk // that it has begun; nil before
	stands context.Context
	ends   context.CancelFunc
}

// openAhead returns a link on which a peer has shown what the challenge in its record stands for.
func (s *base) openAhead(ctx context.Context, to *client.Peer) (a *ahead, err error) {
	a = &ahead{conn: link.ToNobody(nil), to: to}
	a.stands, a.ends = context.WithCancel(ctx)
	copy(a.nonces.Own[:], guard.NewNonce())
	copy(a.nonces.Far[:], to.Inside.Challenge)
	if a.Link, err = link.Open(ctx, a.conn, s.linkConfig(zmtp.Dealer)); err != nil {
		a.ends()
	}
	return a, err
}

// strange tells whether there is nothing with a peer that may be met beyond the LAN.
func (l *talks) strange(id uuid.UUID) bool {
	alone, _ := l.guard.Shuns.Of(id, sight.Met(id))
	p := l.of(id)
	return l.wan != nil && !alone && !l.stopping() && p.Channel == nil && p.talk == nil && p.attempt == nil && p.theirs == nil
}

// begin begins a channel with the peer, if there is still nothing with it, and gives what is
// said to it the path of that. It tells whether it does. It is the loop's.
func (a *ahead) begin(l *loop, to *channel.Channel) bool {
	id := a.to.ID
	if !l.strange(id) {
		return false
	}
	r := newReceiver(l)
	r.peer, r.link, r.nonces, r.both, r.beyond, r.rung, r.ahead = id, a.Link, a.nonces, true, true, ladder.Relayed, true
	r.lane.endpoint = sight.Met(id)
	r.proven.Store(true) // nobody is waited for there
	(&caller{loop: l, to: id}).joins(r, a.to.Card.Incarnation, a.to.Inside.Name)
	t := l.of(id).talk
	if t == nil || !t.out.Begun() { // the core has no room for it
		if t != nil {
			t.drop()
		}
		delete(l.theirs, r.id)
		return false
	}
	a.talk = t
	t.out.Grant(channel.FirstWindow)
	to.Relink(t.out.Path)
	l.work.Go(func() {
		r.serve()
		a.ends()
		_ = a.Close()
	})
	return true
}
