//go:build czmq

package czmq

import (
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/zeromq/goczmq"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/z85"
	"github.com/sjohnr/at-once/src/zmtp"
)

// patience is the number of heartbeats after which a silent far side counts as dead.
const patience = 3

// setUp returns a socket that does as a link's configuration says.
func setUp(c *link.Config) (*socket, error) {
	kind := map[string]int{zmtp.Dealer: goczmq.Dealer, zmtp.Router: goczmq.Router}[c.Type]
	s, err := newSocket(kind)
	if err != nil {
		return nil, err
	}
	s.SetMaxmsgsize(min(c.MaxMessage, math.MaxInt32))
	if kind == goczmq.Router {
		s.SetRouterMandatory(1) // or messages for which there is no room are lost
	}
	if c.Heartbeat > 0 {
		interval := int(max(c.Heartbeat/time.Millisecond, 1))
		s.SetHeartbeatIvl(interval)
		s.SetHeartbeatTimeout(patience * interval)
	}
	if err := errors.Join(s.identify(c.Identity), s.secure(c.Curve)); err != nil {
		s.close(0)
		return nil, err
	}
	return s, nil
}

// secure gives the socket our side of CURVE.
func (s *socket) secure(c *zmtp.Curve) error {
	if c == nil {
		return nil
	}
	cert, err := goczmq.NewCertFromKeys(c.Key.PublicKey().Bytes(), c.Key.Bytes())
	if err != nil {
		return err
	}
	defer cert.Destroy()
	cert.Apply(s.Sock)
	if c.Server != nil {
		s.SetCurveServerkey(z85.Encode(c.Server.Bytes()))
	} else {
		s.SetCurveServer(1)
		s.SetZapDomain(zapDomain)
	}
	return nil
}

// plug connects to the socket, by a name that nobody else can use and that is gone
// afterwards.
func (s *socket) plug() (*net.UnixConn, error) {
	dir, err := os.MkdirTemp("", "once")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "libzmq")
	if err := s.bind("ipc://" + name); err != nil {
		return nil, err
	}
	return net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
}
