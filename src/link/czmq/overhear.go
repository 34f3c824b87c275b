//go:build czmq

package czmq

import "github.com/sjohnr/at-once/src/zmtp"

// overheard is what can be known of a handshake without security, which libzmq does
// not tell: a handshake of our own follows what the far side says.
type overheard struct {
	follower *zmtp.Handshake // nil with CURVE
	said     []byte          // less than it waits for
}

// overhear listens to what the far side says.
func (o *overheard) overhear(b []byte) {
	for o.follower != nil && o.follower.Next() > 0 && len(b) > 0 {
		n := min(o.follower.Next()-len(o.said), len(b))
		o.said, b = append(o.said, b[:n]...), b[n:]
		if len(o.said) == o.follower.Next() {
			o.follower.Receive(o.said)
			o.said = nil
		}
	}
}

// learn puts what was overheard into a result, or a better reason in place of err.
func (o *overheard) learn(result *zmtp.Result, err error) error {
	seen, bad := o.follower.Result()
	if seen != nil {
		result.Remote = seen.Remote
	}
	if err != nil && bad != nil {
		return bad
	}
	return err
}
