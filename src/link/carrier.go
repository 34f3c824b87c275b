package link

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// carrier is what both halves of a link go by: the connection, what it was opened with and
// what came of the handshake. It stays as it is, but for when the far side was heard.
type carrier struct {
	config Config
	conn   net.Conn
	raw    syscall.RawConn // nil if the connection cannot be tried without waiting
	remote *zmtp.Result
	opened time.Time
	heard  atomic.Int64 // nanoseconds from opened to the last read
}

// RemoteIdentity returns the identity that the far side gave; it may be empty.
func (c *carrier) RemoteIdentity() []byte { return c.remote.Remote.Identity }

// RemoteType returns the socket type of the far side.
func (c *carrier) RemoteType() string { return c.remote.Remote.Type }

// RemoteKey returns the key that the far side has proved to hold; ok is false if the
// link has no security.
func (c *carrier) RemoteKey() (key [32]byte, ok bool) { return c.remote.Key, c.config.Curve != nil }

// OwnKey returns the key of ours that the far side knows us by, zeros without security.
func (c *carrier) OwnKey() [32]byte { return c.remote.Own }

// TakeProperties returns what else each side has told the other in the handshake: ours
// as Config.Properties names them, theirs by lower-case name. It does so once, because
// idle links are many, and before Serve. Ours are nil with a driver that shows none.
func (c *carrier) TakeProperties() (ours, theirs map[string][]byte) {
	ours, theirs = c.config.Properties, c.remote.Remote.Others
	c.config.Properties, c.remote.Remote.Others = nil, nil
	return ours, theirs
}

// Property returns what the far side has told in the handshake under a name in lower case,
// until that is taken.
func (c *carrier) Property(name string) []byte { return c.remote.Remote.Others[name] }

// LocalAddr returns our address.
func (c *carrier) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr returns the address of the far side.
func (c *carrier) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// Heard returns when octets last came from the far side.
func (c *carrier) Heard() time.Time { return c.opened.Add(time.Duration(c.heard.Load())) }

// Spoil has the link end by a reset, where that can be: the far side is not to believe
// that all was taken, see [Link.Shutdown].
func (c *carrier) Spoil() {
	if conn, ok := c.conn.(interface{ SetLinger(int) error }); ok {
		_ = conn.SetLinger(0) // fails only if the link has ended
	}
}
