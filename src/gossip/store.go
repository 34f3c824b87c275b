package gossip

import (
	"container/list"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/sight"
)

// Limits of one node, so that a hostile network costs bounded memory.
const (
	MaxTuples = 16384 // known at a time; further ones are dropped and counted
	maxValue  = 1000  // octets; with a version it is within the model's limit
)

// Lifetime is how long a tuple is told and sighted after it was last heard of.
const Lifetime = 90 * time.Second

// tuple is what is known under one key.
type tuple struct {
	key     string
	value   string   // endpoint and key, without its version; empty if it was withdrawn, and for the node itself
	version uint64   // 0 if another implementation published it
	from    *session // who told of it last; nil for the node itself, or if that has ended
	expires time.Time
	change  uint64 // number of its latest change
	muted   bool   // unpublished here: neither told nor sighted
}

// store holds the tuples, in the order in which they changed.
type store struct {
	own     string // key of the node itself
	tuples  map[string]*list.Element
	order   list.List // of *tuple, the latest change last
	changes uint64
}

func (s *store) find(key string) *tuple {
	if e := s.tuples[key]; e != nil {
		return e.Value.(*tuple)
	}
	return nil
}

// put stores a tuple as the latest change.
func (s *store) put(t *tuple) {
	if e := s.tuples[t.key]; e != nil {
		s.order.Remove(e)
	}
	s.changes++
	t.change = s.changes
	s.tuples[t.key] = s.order.PushBack(t)
}

// take judges a tuple that a session tells of, and returns what is to be sighted: it, if it
// is a change, or the one that it renews, or nil if it says nothing new, or is too much. Of
// two that have no version the first stays as long as who told of it does: were it
// otherwise, a ring of servers with two of them would never come to rest.
func (s *store) take(t *tuple, now time.Time) (news *tuple, tooMuch bool) {
	old := s.find(t.key)
	same := old != nil && t.version == 0 && (old.from == nil || old.from == t.from)
	switch {
	case old == nil && t.value == "":
		return nil, false
	case old == nil && len(s.tuples) >= MaxTuples, len(t.value) > maxValue:
		return nil, true
	case old == nil, t.version > old.version, t.version == old.version && t.value != old.value && same:
		s.put(t)
		return t, false
	case t.version < old.version, t.value != old.value:
		return nil, false
	case same:
		old.from, old.expires = t.from, now.Add(Lifetime)
	}
	return old, false
}

// expire drops the tuples that nobody vouches for any more.
func (s *store) expire(now time.Time) {
	for key, e := range s.tuples {
		t := e.Value.(*tuple)
		if key != s.own && !t.live(now) && (t.version > 0 || t.from == nil) {
			s.order.Remove(e)
			delete(s.tuples, key)
		}
	}
}

// orphan lets what a session told of expire, now that it has ended.
func (s *store) orphan(from *session, now time.Time) {
	for e := s.order.Front(); e != nil; e = e.Next() {
		if t := e.Value.(*tuple); t.from == from {
			t.from = nil
			if t.version == 0 {
				t.expires = now.Add(Lifetime)
			}
		}
	}
}

// since returns the tuples that changed after a number, at most so many, the
// earliest first.
func (s *store) since(change uint64, most int) (tuples []*tuple) {
	var e *list.Element
	for at := s.order.Back(); at != nil && at.Value.(*tuple).change > change; at = at.Prev() {
		e = at
	}
	for ; e != nil && len(tuples) < most; e = e.Next() {
		tuples = append(tuples, e.Value.(*tuple))
	}
	return tuples
}

func (t *tuple) live(now time.Time) bool { return now.Before(t.expires) }

// text returns the value as it is told to our own nodes, or to others.
func (t *tuple) text(ours bool) string {
	if !ours {
		return t.value
	}
	return t.value + "|" + strconv.FormatUint(t.version, 10)
}

// parse takes a value apart as it came from our own nodes, or from others.
func parse(text string, ours bool) (value string, version uint64, ok bool) {
	if !ours {
		return text, 0, text != ""
	}
	at := strings.LastIndexByte(text, '|')
	if at < 0 {
		return "", 0, false
	}
	version, err := strconv.ParseUint(text[at+1:], 10, 64)
	written := strconv.FormatUint(version, 10) == text[at+1:] // as we write it
	return text[:at], version, err == nil && written && (at > 0 || version > 0)
}

// sighting returns the node that the tuple tells of. Who shows a key that is none must
// not pass for a node without: the error is [sight.ErrKey].
func (t *tuple) sighting() (s sight.Sighting, err error) {
	s.Gone = t.value == ""
	if s.ID, err = uuid.Parse(t.key); err != nil {
		return s, err
	}
	if s.Endpoint, err = sight.Parse(t.value); errors.Is(err, sight.ErrKey) {
		return s, err
	}
	return s, nil // without an endpoint if that is none
}
