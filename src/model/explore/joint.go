package explore

import "slices"

// joint is a state of a whole conversation: of each side's machine and numbers, of
// what is under way on the links, and of how much may yet go wrong. Its octets
// are laid out by a system, so that two that are equal are one.
type joint []uint8

// layout gives out places in a joint state.
type layout struct{ size int }

func (l *layout) place(octets int) int {
	at := l.size
	l.size += octets
	return at
}

// What a link carries besides messages, which are counted from notices on.
const (
	linkedNotice   = iota // to who dialled: it stands
	acceptedNotice        // to the far side of it
	lostNotice            // it is gone
	notices
)

// queue is what is under way in one direction: its length, then entries of one
// width, each an id and the message's numbers.
type queue struct{ at, room, width int }

func (q queue) length(j joint) int { return int(j[q.at]) }

func (q queue) entry(j joint, i int) []uint8 {
	from := q.at + 1 + i*q.width
	return j[from : from+q.width]
}

// add puts an entry at the end; it tells whether there was room.
func (q queue) add(j joint, id uint8, said ...uint8) bool {
	n := q.length(j)
	if n == q.room {
		return false
	}
	e := q.entry(j, n)
	clear(e)
	e[0] = id
	copy(e[1:], said)
	j[q.at]++
	return true
}

// take removes an entry, and what was behind it moves up: equal states stay equal.
func (q queue) take(j joint, i int) {
	n := q.length(j)
	copy(j[q.at+1+i*q.width:], j[q.at+1+(i+1)*q.width:q.at+1+n*q.width])
	q.cut(j, n-1)
}

// cut leaves so many entries.
func (q queue) cut(j joint, n int) {
	if n < q.length(j) {
		clear(j[q.at+1+n*q.width : q.at+1+q.length(j)*q.width])
		j[q.at] = uint8(n)
	}
}

// messages counts the messages, without notices.
func (q queue) messages(j joint) (n int) {
	for i := range q.length(j) {
		if q.entry(j, i)[0] >= notices {
			n++
		}
	}
	return n
}

// sort puts the entries in one order, where their order means nothing.
func (q queue) sort(j joint) {
	for i := 1; i < q.length(j); i++ {
		for k := i; k > 0 && slices.Compare(q.entry(j, k), q.entry(j, k-1)) < 0; k-- {
			a, b := q.entry(j, k-1), q.entry(j, k)
			for x := range a {
				a[x], b[x] = b[x], a[x]
			}
		}
	}
}

// slot is one of the connections that a link can have at a time.
type slot struct {
	up     [2]int // places: whether the end takes it for standing
	broken int    // place: what is sent is lost
	queues [2]queue
}

// free tells whether nothing is left of the slot's last connection.
func (s *slot) free(j joint) bool {
	return j[s.up[0]] == 0 && j[s.up[1]] == 0 && s.queues[0].length(j) == 0 && s.queues[1].length(j) == 0
}
