package zre

// voice is what a peer speaks to us over: the connections that it makes.
type voice struct {
	link   LinkID // the connection that speaks for the peer, 0 if none
	theirs uint64 // how the peer names that
	heir   LinkID // the one that will when that has ended, 0 if none
	calls  bool   // the peer has made a connection to us of late
}

// audible tells whether there is a connection over which words of the peer may still
// come.
func (v *voice) audible() bool { return v.link != 0 || v.heir != 0 }

// succeeds has a connection of the peer wait for the end of the one that speaks for
// it, if there is another: what came over that comes first. One may wait at a time.
func (v *voice) succeeds(link LinkID, s *stage) bool {
	if v.link == 0 || v.link == link {
		return false
	}
	if v.heir != 0 && v.heir != link {
		s.emit(Reject{v.heir})
	}
	v.heir = link
	s.emit(Finish{v.link, link})
	return true
}

// ended takes in that a connection of the peer has ended, and tells whether it was one of
// those that count.
func (v *voice) ended(link LinkID) bool {
	switch link {
	case v.link:
		v.link, v.calls = 0, false
	case v.heir:
		v.heir = 0
	default:
		return false
	}
	return true
}

// end ends what speaks for the peer. Who waits for that goes on with a new life.
func (v *voice) end(s *stage) {
	if v.link != 0 {
		s.emit(Reject{v.link})
	}
	v.link, v.heir = 0, 0
}
