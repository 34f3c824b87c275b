package link

import (
	"context"
	"os"

	"github.com/sjohnr/at-once/src/zmtp"
)

// Shaker is a connection that brings its own ZMTP. Open has it do the handshake,
// within ctx. From then on the link reads and writes plain frames of whole messages,
// as they are with NULL, whatever becomes of them on the network: the Cipher of the
// result is nil. Commands are the connection's own affair, so that Minor is 0 and
// Config.Heartbeat is for it to obey. It shows no Config.Properties.
type Shaker interface {
	Handshake(ctx context.Context, c Config) (*zmtp.Result, error)
}

// delegate lets a connection do the handshake within ctx and c.Handshake.
func delegate(ctx context.Context, conn Shaker, c *Config) (*zmtp.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Handshake, os.ErrDeadlineExceeded)
	defer cancel()
	c.Properties = nil
	return conn.Handshake(ctx, *c)
}
