package zre

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/electionmachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// challengeAgain is the shortest time between two of our challenges in a group.
// It bounds what a member costs that comes and goes.
const challengeAgain = time.Second

// election is the choice of one group's leader: the state that its machine is
// in, and what the machine's actions need. It implements
// electionmachine.Actions.
type election struct {
	core  *Core
	group string
	state electionmachine.State
	timer timer

	claims     map[uuid.UUID]bool     // who has announced itself and is a member still; false if that was before the last leader went
	leader     uuid.UUID              // the lowest of them when the latest election was over, or none
	challenger uuid.UUID              // the one whom we support, maybe ourselves
	waiting    map[uuid.UUID]struct{} // members who have not answered our challenge
	told       []*peer                // plain members who had ELECT from us, and so understand LEADER
	challenged time.Time              // when we did so last
	unsure     bool                   // we announced ourselves before all had answered
	again      bool                   // and challenge once more, since a plain member named another then
}

// ballot returns the election of a group that the node is in, else nil.
func (c *Core) ballot(group string) *election {
	e := c.ballots[group]
	if e == nil && c.in(group) && c.ballots != nil {
		e = &election{core: c, group: group, claims: map[uuid.UUID]bool{}}
		e.timer.due = e.due
		c.ballots[group] = e
	}
	return e
}

func (c *Core) closeBallot(group string) {
	if e := c.ballots[group]; e != nil {
		c.set(&e.timer, time.Time{})
		delete(c.ballots, group)
	}
}

func (c *Core) contest(group string) {
	if c.Full(Contest{group}) {
		return
	}
	c.contests[group] = struct{}{}
	if e := c.ballot(group); e != nil {
		e.settle()
	}
}

// canvass brings the elections of a peer that has greeted us, or that we have
// greeted, into step: one of us may have left a group and joined it again.
func (p *peer) canvass() {
	for _, group := range p.groups {
		p.core.arrives(p, group)
	}
}

// arrives brings a member that is new, or that may have missed something, into
// step.
func (c *Core) arrives(p *peer, group string) {
	e := c.ballots[group]
	switch {
	case e == nil:
	case e.state == electionmachine.StateChallenging:
		e.waiting[p.id] = struct{}{}
		e.challengeTo(p)
	case e.state == electionmachine.StateSupporting && p.plain():
		e.challengeTo(p) // it counts the answers of all members
	case e.leader == c.config.ID && p.plain():
		e.challenge() // it understands LEADER only after ELECT
	case e.leader == c.config.ID:
		e.announceTo(p, e.leader)
	}
}

// departs takes in that a peer is no longer in a group.
func (c *Core) departs(id uuid.UUID, group string) {
	e := c.ballots[group]
	if e == nil {
		return
	}
	delete(e.claims, id)
	e.told = slices.DeleteFunc(e.told, func(p *peer) bool { return p.id == id })
	if e.leader == id {
		e.leader = uuid.Nil
		for other := range e.claims {
			e.claims[other] = false
		}
	}
	if e.challenger == id {
		e.fire(electionmachine.EventLost)
		e.reclaim()
	}
	e.answered(id)
	e.settle()
}

// reclaim challenges the group anew if we led it before we supported somebody who did not
// come to lead it: who has come meanwhile was not told of us.
func (e *election) reclaim() {
	if e.state == electionmachine.StateSettled && e.leader == e.core.config.ID {
		e.challenge()
	}
}

// elect takes in a peer's ELECT.
func (c *Core) elect(p *peer, group, id string) {
	e, r := c.motion(p, group, id)
	if e == nil {
		return
	}
	self := c.config.ID
	switch {
	case r == self:
		e.answered(p.id)
	case p.id != r && !(p.plain() && c.peers[r].plain()):
		// Only plain members carry the challenges of others, and our own nodes
		// challenge each of us themselves.
	case e.state == electionmachine.StateSupporting && r == e.challenger && !p.plain():
		e.challengeTo(p) // our answer was lost
	case e.state == electionmachine.StateSupporting && !less(r, e.challenger):
	case e.contests() && less(self, r):
		e.defend(c.peers[r])
	case e.leads(r):
	case e.state == electionmachine.StateSettled && r == e.leader && p.id != r:
		// A word of the election that is over; who challenges anew says so itself.
	default:
		e.challenger = r
		e.fire(electionmachine.EventBetter)
	}
}

// lead takes in a peer's LEADER. That of the leader itself counts; other members
// pass it on for the sake of those who count them, and of those who doubt.
func (c *Core) lead(p *peer, group, id string) {
	e, r := c.motion(p, group, id)
	if e == nil {
		return
	}
	if p.plain() && r != c.config.ID {
		e.dispute()
	}
	if p.id != r {
		return
	}
	if p.plain() || e.state == electionmachine.StateSupporting && r == e.challenger {
		e.overrule()
	}
	e.claims[r] = true
	if e.contests() && less(c.config.ID, r) {
		e.defend(p)
	} else if e.state != electionmachine.StateSettled && !less(e.challenger, r) {
		e.challenger = r
		e.fire(electionmachine.EventLeader)
	}
	e.settle()
}

// overrule forgets the claims of plain members: a plain leader does not defend itself.
func (e *election) overrule() {
	for id := range e.claims {
		if p := e.core.peers[id]; p != nil && p.plain() {
			delete(e.claims, id)
		}
	}
}

// dispute takes in that a plain member names another leader. If it had not answered
// us when we announced ourselves, it was in an election of its own, which our LEADER
// has ended, with either of the two as the outcome. Now that none is on, one more
// challenge gets an answer from all.
func (e *election) dispute() {
	if e.unsure && e.state == electionmachine.StateSettled {
		e.unsure, e.again = false, true
		e.core.set(&e.timer, e.core.now.Add(challengeAgain))
	}
}

// motion returns the election that a message is about, and the member whom it is
// about, or nil if there is no such thing.
func (c *Core) motion(p *peer, group, text string) (*election, uuid.UUID) {
	id, err := uuid.Parse(text)
	subject := c.peers[id]
	if err != nil || !c.in(group) || !p.in(group) || id != c.config.ID && (subject == nil || !subject.in(group)) {
		c.count("elections out of place")
		return nil, uuid.Nil
	}
	return c.ballot(group), id
}

// plain tells whether the peer is none of our own nodes.
func (p *peer) plain() bool { return p.incarnation == 0 }

// in tells whether the peer is present and in a group.
func (p *peer) in(group string) bool {
	_, found := slices.BinarySearch(p.groups, group)
	return found && p.state.IsPresent()
}

func (e *election) contests() bool { _, yes := e.core.contests[e.group]; return yes }

// leads tells whether the leader will stand up to a challenger itself: it is one
// of our own nodes and has a lower id.
func (e *election) leads(challenger uuid.UUID) bool {
	p := e.core.peers[e.leader]
	return p != nil && !p.plain() && less(e.leader, challenger)
}

// defend lets a member with a higher id know that we are here.
func (e *election) defend(p *peer) {
	switch {
	case e.state != electionmachine.StateSettled: // it has our challenge, or supports a better one
	case e.leader == e.core.config.ID && !p.plain():
		e.announceTo(p, e.leader)
	case !e.leads(e.core.config.ID):
		e.challenge()
	}
}

// challenge challenges the group, at once or when we may do so again.
func (e *election) challenge() {
	again := e.challenged.Add(challengeAgain)
	if e.state == electionmachine.StateSettled && !e.challenged.IsZero() && e.core.now.Before(again) {
		e.core.set(&e.timer, again)
		return
	}
	e.fire(electionmachine.EventChallenge)
	e.answered(uuid.Nil)
}

// answered takes in that a member supports us or is gone.
func (e *election) answered(id uuid.UUID) {
	delete(e.waiting, id)
	if e.state == electionmachine.StateChallenging && len(e.waiting) == 0 {
		e.fire(electionmachine.EventComplete)
		e.settle()
	}
}

// settle draws the conclusion when no election is on.
func (e *election) settle() {
	if e.state != electionmachine.StateSettled {
		return
	}
	self, leader := e.core.config.ID, uuid.Nil
	for id, fresh := range e.claims {
		if fresh && (leader == uuid.Nil || less(id, leader)) {
			leader = id
		}
	}
	if leader != self {
		delete(e.claims, self)
	}
	if leader != e.leader && leader != uuid.Nil {
		e.core.emit(Event{api.EventTypeLeader, e.core.known(leader), e.group, 0, e.core.now})
	}
	e.leader = leader
	if e.contests() && (leader == uuid.Nil || less(self, leader)) {
		e.challenge()
	} else if e.timer.at.IsZero() && (leader == uuid.Nil && len(e.claims) > 0 || e.elder()) {
		e.core.set(&e.timer, e.core.now.Add(electionmachine.DefaultElection))
	}
}

// due ends an election that takes too long. When none is on, a challenge was put
// off, or nobody has followed the last leader, or one who is not the first: then the
// old claims count again, of members who may have never heard of it.
func (e *election) due() {
	e.core.set(&e.timer, time.Time{})
	switch {
	case e.state != electionmachine.StateSettled:
		was := e.state
		unsure := was == electionmachine.StateChallenging && !e.again
		e.fire(electionmachine.EventTimeout)
		if e.unsure = unsure; was == electionmachine.StateSupporting {
			e.reclaim()
		}
		e.settle()
	case e.contests() && (e.again || e.leader == uuid.Nil || !less(e.leader, e.core.config.ID)):
		e.challenge()
	case e.leader == uuid.Nil || e.elder():
		for id := range e.claims {
			if e.leader == uuid.Nil || !e.core.peers[id].plain() {
				e.claims[id] = true
			}
		}
		e.settle()
	}
}

// elder tells whether one of our own nodes that announced itself before the last leader
// went would come before the present one. It may have heard of neither, and not have
// announced itself anew; if it had, it would have challenged when the last one went.
func (e *election) elder() bool {
	for id, fresh := range e.claims {
		if p := e.core.peers[id]; !fresh && p != nil && !p.plain() && less(id, e.leader) {
			return true
		}
	}
	return false
}

// fire lets the machine step and sets the timer when the state changes.
func (e *election) fire(event electionmachine.Event) {
	next, ok := electionmachine.Step(e.state, event, e)
	if !ok || next == e.state {
		return
	}
	e.state = next
	at := time.Time{}
	switch next {
	case electionmachine.StateSettled:
		e.again = false
	case electionmachine.StateChallenging:
		at = e.core.now.Add(electionmachine.DefaultElection)
	case electionmachine.StateSupporting: // the challenger's own time-out comes first
		at = e.core.now.Add(electionmachine.DefaultElection + challengeAgain)
	}
	e.core.set(&e.timer, at)
}

// The actions of the machine.

func (e *election) SendElect() {
	e.challenger, e.challenged = e.core.config.ID, e.core.now
	e.waiting, e.told, e.unsure = map[uuid.UUID]struct{}{}, nil, false
	for _, p := range e.members() {
		e.waiting[p.id] = struct{}{}
		e.challengeTo(p)
	}
}

// Support answers the challenger. Plain members expect the same of each other
// and of us, whoever the challenger is.
func (e *election) Support() {
	e.told = nil
	for _, p := range e.members() {
		if p.plain() || p.id == e.challenger {
			e.challengeTo(p)
		}
	}
}

// Follow passes on to plain members who leads. Zyre stops at a LEADER while it knows
// of no election: one that has ended its own already gets ELECT before it.
func (e *election) Follow() {
	for _, p := range e.told {
		p.send(&zremsg.Elect{Group: e.group, ChallengerID: hexadecimal(e.challenger)})
		e.announceTo(p, e.challenger)
	}
	e.told = nil
}

func (e *election) Lead() {
	self := e.core.config.ID
	e.overrule()
	e.claims[self] = true
	for _, p := range e.members() {
		if !p.plain() {
			e.announceTo(p, self)
		}
	}
	e.Follow()
}

// challengeTo sends ELECT to a member, in the name of whom we support.
func (e *election) challengeTo(p *peer) {
	p.send(&zremsg.Elect{Group: e.group, ChallengerID: hexadecimal(e.challenger)})
	if p.plain() {
		e.told = append(e.told, p)
	}
}

func (e *election) announceTo(p *peer, leader uuid.UUID) {
	p.send(&zremsg.Leader{Group: e.group, LeaderID: hexadecimal(leader)})
}

// members returns the other members of the group, in the order of their ids.
func (e *election) members() []*peer {
	var members []*peer
	for _, p := range e.core.sorted() {
		if p.in(e.group) {
			members = append(members, p)
		}
	}
	return members
}

// known returns what the node knows of a peer that is present, or of itself.
func (c *Core) known(id uuid.UUID) *Peer {
	if p := c.peers[id]; p != nil {
		snapshot := p.Peer
		return &snapshot
	}
	_, headers := splitHeaders(c.config.Headers)
	return &Peer{
		id: id, name: c.config.Name, endpoint: c.config.Endpoint, headers: headers,
		groups: c.OwnGroups(), incarnation: c.config.Incarnation,
	}
}

// Leaders returns who leads the groups that the node is in, where it is known.
// It may be the node itself.
func (c *Core) Leaders() map[string]*Peer {
	leaders := map[string]*Peer{}
	for group, e := range c.ballots {
		if e.leader != uuid.Nil {
			leaders[group] = c.known(e.leader)
		}
	}
	return leaders
}

// hexadecimal returns an id as ELECT and LEADER carry it.
func hexadecimal(id uuid.UUID) string { return strings.ToUpper(hex.EncodeToString(id[:])) }

func less(a, b uuid.UUID) bool { return bytes.Compare(a[:], b[:]) < 0 }
