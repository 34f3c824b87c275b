package node

import "github.com/sjohnr/at-once/src/site"

// abandon closes connections from an address that the host no longer has, now
// that it has another: nothing will come over them any more, and to connect anew
// is quicker than to wait until that is certain.
func (l *loop) abandon() {
	lost, err := site.Lost()
	if err != nil {
		l.settings.log.Warn("cannot list addresses", "error", err)
		return
	}
	for _, out := range l.ours {
		if lost(out.Link().LocalAddr()) && !out.Lasts() {
			l.work.Go(func() { _ = out.Link().Close() })
		}
	}
	for _, r := range l.theirs {
		if lost(r.link.LocalAddr()) {
			l.work.Go(func() { _ = r.link.Close() })
		}
	}
}
