package channel

// Place is where something was said.
type Place struct {
	path *Path
	end  uint64 // behind it
}

// Known tells whether the peer has acknowledged what was said there.
func (p Place) Known() bool {
	select {
	case <-p.path.replaced:
		return p.path.known >= p.end
	default:
		known, _ := p.path.Outbox.Acknowledged()
		return known >= p.end
	}
}

// Over is closed when nothing that the peer says can be about that any more: it is gone.
func (p Place) Over() <-chan struct{} { return p.path.replaced }
