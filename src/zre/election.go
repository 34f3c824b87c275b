package zre

import (
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

// elections are the node's own groups, and who leads them. Somebody has to tell of all
// members that arrive and depart.
type elections struct {
	*stage
	own
	ballots   map[string]*election       // of groups that we are in; nil when the node stops
	lineTo    func(uuid.UUID) *line      // ours to a peer, nil if it is not known
	membersOf func(group string) []*line // ours to the other members of a group, in the order of their ids
}

// election is the choice of one group's leader: the state that its machine is
// in, and what the machine's actions need. It implements
// electionmachine.Actions.
type election struct {
	*elections
	group string
	state electionmachine.State
	timer timer

	claims     map[uuid.UUID]bool     // who has announced itself and is a member still; false if that was before the last leader went
	leader     uuid.UUID              // the lowest of them when the latest election was over, or none
	challenger uuid.UUID              // the one whom we support, maybe ourselves
	waiting    map[uuid.UUID]struct{} // members who have not answered our challenge
	told       []*line                // plain members who had ELECT from us, and so understand LEADER
	challenged time.Time              // when we did so last
	unsure     bool                   // we announced ourselves before all had answered
	again      bool                   // and challenge once more, since a plain member named another then
}

// ballot returns the election of a group that the node is in, else nil.
func (all *elections) ballot(group string) *election {
	e := all.ballots[group]
	if e == nil && all.in(group) && all.ballots != nil {
		e = &election{elections: all, group: group, claims: map[uuid.UUID]bool{}}
		e.timer.due = e.due
		all.ballots[group] = e
	}
	return e
}

func (all *elections) closeBallot(group string) {
	if e := all.ballots[group]; e != nil {
		all.timers.set(&e.timer, time.Time{})
		delete(all.ballots, group)
	}
}

func (all *elections) contest(group string) {
	if !fitsAmong(all.contests, group) {
		return
	}
	all.contests[group] = struct{}{}
	if e := all.ballot(group); e != nil {
		if e.state == electionmachine.StateSupporting && less(e.config.ID, e.challenger) {
			e.challenge()
		}
		e.settle()
	}
}

// arrives brings a member that is new, or that may have missed something, into
// step.
func (all *elections) arrives(m *line, group string) {
	e := all.ballots[group]
	switch {
	case e == nil:
	case e.state == electionmachine.StateChallenging:
		e.waiting[m.to.id] = struct{}{}
		e.challengeTo(m)
	case e.state == electionmachine.StateSupporting && m.to.plain():
		e.challengeTo(m) // it counts the answers of all members
	case e.leader == all.config.ID && m.to.plain():
		e.challenge() // it understands LEADER only after ELECT
	case e.leader == all.config.ID:
		e.announceTo(m, e.leader)
	}
}

// canvass brings the elections of a peer that has greeted us, or that we have
// greeted, into step: one of us may have left a group and joined it again.
func (all *elections) canvass(m *line) {
	for _, group := range m.to.groups {
		all.arrives(m, group)
	}
}

// departs takes in that a peer is no longer in a group.
func (all *elections) departs(id uuid.UUID, group string) {
	e := all.ballots[group]
	if e == nil {
		return
	}
	delete(e.claims, id)
	e.told = slices.DeleteFunc(e.told, func(m *line) bool { return m.to.id == id })
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
	if e.state == electionmachine.StateSettled && e.leader == e.config.ID {
		e.challenge()
	}
}

// elect takes in a peer's ELECT.
func (all *elections) elect(m *line, group, id string) {
	e, r := all.motion(m, group, id)
	if e == nil {
		return
	}
	self := all.config.ID
	switch {
	case r == self:
		e.answered(m.to.id)
	case m.to.id != r && !(m.to.plain() && all.lineTo(r).to.plain()):
		// Only plain members carry the challenges of others, and our own nodes
		// challenge each of us themselves.
	case e.state == electionmachine.StateSupporting && r == e.challenger && !m.to.plain():
		e.challengeTo(m) // our answer was lost
	case e.state == electionmachine.StateSupporting && !less(r, e.challenger):
	case e.contests() && less(self, r):
		e.defend(all.lineTo(r))
	case e.leads(r):
	case e.state == electionmachine.StateSettled && r == e.leader && m.to.id != r:
		// A word of the election that is over; who challenges anew says so itself.
	default:
		e.challenger = r
		e.fire(electionmachine.EventBetter)
	}
}

// lead takes in a peer's LEADER. That of the leader itself counts; other members
// pass it on for the sake of those who count them, and of those who doubt.
func (all *elections) lead(m *line, group, id string) {
	e, r := all.motion(m, group, id)
	if e == nil {
		return
	}
	if m.to.plain() && r != all.config.ID {
		e.dispute()
	}
	if m.to.id != r {
		return
	}
	if m.to.plain() || e.state == electionmachine.StateSupporting && r == e.challenger {
		e.overrule()
	}
	e.claims[r] = true
	if e.contests() && less(all.config.ID, r) {
		e.defend(m)
	} else if e.state != electionmachine.StateSettled && !less(e.challenger, r) {
		e.challenger = r
		e.fire(electionmachine.EventLeader)
	}
	e.settle()
}

// overrule forgets the claims of plain members: a plain leader does not defend itself.
func (e *election) overrule() {
	for id := range e.claims {
		if m := e.lineTo(id); m != nil && m.to.plain() {
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
		e.timers.set(&e.timer, e.now.Add(challengeAgain))
	}
}

// motion returns the election that a message is about, and the member whom it is
// about, or nil if there is no such thing.
func (all *elections) motion(m *line, group, text string) (*election, uuid.UUID) {
	id, err := uuid.Parse(text)
	subject := all.lineTo(id)
	if err != nil || !all.in(group) || !m.to.in(group) || id != all.config.ID && (subject == nil || !subject.to.in(group)) {
		all.count("elections out of place")
		return nil, uuid.Nil
	}
	return all.ballot(group), id
}

func (e *election) contests() bool { _, yes := e.elections.contests[e.group]; return yes }

// leads tells whether the leader will stand up to a challenger itself: it is one
// of our own nodes and has a lower id.
func (e *election) leads(challenger uuid.UUID) bool {
	m := e.lineTo(e.leader)
	return m != nil && !m.to.plain() && less(e.leader, challenger)
}

// defend lets a member with a higher id know that we are here.
func (e *election) defend(m *line) {
	switch {
	case e.state != electionmachine.StateSettled: // it has our challenge, or supports a better one
	case e.leader == e.config.ID && !m.to.plain():
		e.announceTo(m, e.leader)
	case !e.leads(e.config.ID):
		e.challenge()
	}
}

// challenge challenges the group, at once or when we may do so again.
func (e *election) challenge() {
	again := e.challenged.Add(challengeAgain)
	if e.state == electionmachine.StateSettled && !e.challenged.IsZero() && e.now.Before(again) {
		e.timers.set(&e.timer, again)
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
	self, leader := e.config.ID, uuid.Nil
	for id, fresh := range e.claims {
		if fresh && (leader == uuid.Nil || less(id, leader)) {
			leader = id
		}
	}
	if leader != self {
		delete(e.claims, self)
	}
	if leader != e.leader && leader != uuid.Nil {
		e.emit(Event{api.EventTypeLeader, e.known(leader), e.group, 0, e.now})
	}
	e.leader = leader
	if e.contests() && (leader == uuid.Nil || less(self, leader)) {
		e.challenge()
	} else if e.timer.at.IsZero() && (leader == uuid.Nil && len(e.claims) > 0 || e.elder()) {
		e.timers.set(&e.timer, e.now.Add(electionmachine.DefaultElection))
	}
}

// due ends an election that takes too long. When none is on, a challenge was put
// off, or nobody has followed the last leader, or one who is not the first: then the
// old claims count again, of members who may have never heard of it.
func (e *election) due() {
	e.timers.set(&e.timer, time.Time{})
	switch {
	case e.state != electionmachine.StateSettled:
		was := e.state
		unsure := was == electionmachine.StateChallenging && !e.again
		e.fire(electionmachine.EventTimeout)
		if e.unsure = unsure; was == electionmachine.StateSupporting {
			e.reclaim()
		}
		e.settle()
	case e.contests() && (e.again || e.leader == uuid.Nil || !less(e.leader, e.config.ID)):
		e.challenge()
	case e.leader == uuid.Nil || e.elder():
		for id := range e.claims {
			if e.leader == uuid.Nil || !e.lineTo(id).to.plain() {
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
		if m := e.lineTo(id); !fresh && m != nil && !m.to.plain() && less(id, e.leader) {
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
	if e.config.Moves != nil {
		e.config.Moves(Move{"election", e.group, e.state.String(), event.String(), next.String()})
	}
	e.state = next
	at := time.Time{}
	switch next {
	case electionmachine.StateSettled:
		e.again = false
	case electionmachine.StateChallenging:
		at = e.now.Add(electionmachine.DefaultElection)
	case electionmachine.StateSupporting: // the challenger's own time-out comes first
		at = e.now.Add(electionmachine.DefaultElection + challengeAgain)
	}
	e.timers.set(&e.timer, at)
}

// The actions of the machine.

func (e *election) SendElect() {
	e.challenger, e.challenged = e.config.ID, e.now
	e.waiting, e.told, e.unsure = map[uuid.UUID]struct{}{}, nil, false
	for _, m := range e.membersOf(e.group) {
		e.waiting[m.to.id] = struct{}{}
		e.challengeTo(m)
	}
}

// Support answers the challenger. Plain members expect the same of each other
// and of us, whoever the challenger is.
func (e *election) Support() {
	e.told = nil
	for _, m := range e.membersOf(e.group) {
		if m.to.plain() || m.to.id == e.challenger {
			e.challengeTo(m)
		}
	}
}

// Follow passes on to plain members who leads. Zyre stops at a LEADER while it knows
// of no election: one that has ended its own already gets ELECT before it.
func (e *election) Follow() {
	for _, m := range e.told {
		m.send(&zremsg.Elect{Group: e.group, ChallengerID: hexadecimal(e.challenger)})
		e.announceTo(m, e.challenger)
	}
	e.told = nil
}

func (e *election) Lead() {
	self := e.config.ID
	e.overrule()
	e.claims[self] = true
	for _, m := range e.membersOf(e.group) {
		if !m.to.plain() {
			e.announceTo(m, self)
		}
	}
	e.Follow()
}

// challengeTo sends ELECT to a member, in the name of whom we support.
func (e *election) challengeTo(m *line) {
	m.send(&zremsg.Elect{Group: e.group, ChallengerID: hexadecimal(e.challenger)})
	if m.to.plain() {
		e.told = append(e.told, m)
	}
}

func (e *election) announceTo(m *line, leader uuid.UUID) {
	m.send(&zremsg.Leader{Group: e.group, LeaderID: hexadecimal(leader)})
}

// known returns what the node knows of a peer that is present, or of itself.
func (all *elections) known(id uuid.UUID) *Peer {
	if m := all.lineTo(id); m != nil {
		return m.to.snapshot()
	}
	_, headers := splitHeaders(all.config.Headers)
	return &Peer{
		id: id, name: all.config.Name, endpoint: all.config.Endpoint, headers: headers,
		groups: all.OwnGroups(), incarnation: all.config.Incarnation,
		badge: all.config.Own, self: true,
	}
}

// Leaders returns who leads the groups that the node is in, where it is known.
// It may be the node itself.
func (all *elections) Leaders() map[string]*Peer {
	leaders := map[string]*Peer{}
	for group, e := range all.ballots {
		if e.leader != uuid.Nil {
			leaders[group] = all.known(e.leader)
		}
	}
	return leaders
}

// hexadecimal returns an id as ELECT and LEADER carry it.
func hexadecimal(id uuid.UUID) string { return strings.ToUpper(hex.EncodeToString(id[:])) }
