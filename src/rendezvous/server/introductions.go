package server

import (
	"time"

	machine "github.com/sjohnr/at-once/generated/go/introduction"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
)

// introductions are those that were passed on and wait for an answer. They are under the lock
// of the server.
type introductions struct {
	counts  *counts
	waiting map[uint32]*meeting // by the number by which who is asked answers
	last    uint32
	asks    map[*connection]int // how many of a connection wait
}

// meeting is an introduction that was passed on. It implements the actions of its machine,
// which is stepped under the lock of the server.
type meeting struct {
	among  *introductions
	number uint32
	asks   *connection
	call   uint32 // number of the request
	asked  *connection
	state  machine.State
	until  time.Time
	answer []byte
	why    *refusal
}

// pass passes on, in answer to a call, that a node would meet another, and tells whether that
// has room for it.
func (i *introductions) pass(asks *connection, call uint32, asked *connection, m *oncemsg.Introduction) bool {
	for i.last++; i.last == 0 || i.waiting[i.last] != nil; i.last++ {
	}
	if !asked.say(i.last, m) {
		return false
	}
	i.asks[asks]++
	i.waiting[i.last] = &meeting{among: i, number: i.last, asks: asks, call: call, asked: asked, until: time.Now().Add(machine.DefaultAnswer)}
	return true
}

// answer takes the answer of a node that was asked.
func (i *introductions) answer(number uint32, asked *connection, answer []byte) {
	if m := i.of(number, asked); m != nil {
		m.answer = answer
		m.fire(machine.EventAnswer)
	}
}

// unwilling takes that a node that was asked would not meet.
func (i *introductions) unwilling(number uint32, asked *connection) {
	if m := i.of(number, asked); m != nil {
		m.why = refuse(serving.ReasonUnwilling, "the node would not meet")
		m.fire(machine.EventUnwilling)
	}
}

// of returns the introduction that a node's word is about, nil if there is none to it.
func (i *introductions) of(number uint32, asked *connection) *meeting {
	m := i.waiting[number]
	if m == nil || m.asked != asked {
		i.counts.add("answers to nothing that was asked")
		return nil
	}
	return m
}

// expire ends those that were not answered in time.
func (i *introductions) expire(now time.Time) {
	for _, m := range i.waiting {
		if !now.Before(m.until) {
			m.why = refuse(serving.ReasonUnanswered, "the node has not answered").after(time.Second)
			m.fire(machine.EventTimeout)
		}
	}
}

// left notes that a connection is gone.
func (i *introductions) left(c *connection) {
	for _, m := range i.waiting {
		switch c {
		case m.asks:
			m.fire(machine.EventAbandoned)
		case m.asked:
			m.why = refuse(serving.ReasonUnanswered, "the node has gone")
			m.fire(machine.EventLost)
		}
	}
}

func (m *meeting) fire(e machine.Event) {
	next, ok := machine.Step(m.state, e, m)
	if !ok {
		return
	}
	if m.state = next; next.Final() {
		delete(m.among.waiting, m.number)
		if m.among.asks[m.asks]--; m.among.asks[m.asks] == 0 {
			delete(m.among.asks, m.asks)
		}
	}
}

// The actions of the machine.

func (m *meeting) SendAnswered() {
	var seen []string
	if p := m.asked.peer; p != nil {
		seen = p.addresses(m.asked)
	}
	m.asks.must(m.call, &oncemsg.Answered{Seen: seen, Meeting: m.answer})
}

func (m *meeting) SendNope() { m.asks.must(m.call, m.why.message()) }
