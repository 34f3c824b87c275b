package client

import "time"

// window is how far the time of a meeting may be from the server's.
const window = 2 * time.Minute

// maxNonces is how many meetings are remembered: who asks when there are more is refused.
const maxNonces = 4096

// nonces are those of who has asked, and until when they are remembered.
type nonces map[[16]byte]time.Time

// fresh tells whether a nonce has not come before.
func (n nonces) fresh(nonce [16]byte, now time.Time) bool {
	if _, seen := n[nonce]; seen {
		return false
	}
	if len(n) >= maxNonces {
		for old, until := range n {
			if now.After(until) {
				delete(n, old)
			}
		}
	}
	if len(n) >= maxNonces {
		return false
	}
	n[nonce] = now.Add(2 * window)
	return true
}
