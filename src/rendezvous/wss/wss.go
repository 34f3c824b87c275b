// Package wss carries connections over WebSocket (RFC 6455), in binary messages, for
// networks that let nothing out but HTTPS. What they carry has its own protection.
//
// Programs import bindings/go/once: what is here may change at any time.
package wss

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// protocol names what the messages are (RFC 6455, 1.9).
const protocol = "once"

// Dial connects to a URL, through the proxy that the environment names, if it names one.
func Dial(ctx context.Context, url string) (net.Conn, error) {
	c, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{protocol}, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil, err
	}
	if response.Body != nil {
		_ = response.Body.Close() // the connection is c's
	}
	return websocket.NetConn(context.Background(), c, websocket.MessageBinary), nil
}

// Config is what a listener is made of.
type Config struct {
	TLS     *tls.Config    // nil is none: a proxy has it
	Trusted []netip.Prefix // proxies whose word counts of where a connection comes from
	Log     *slog.Logger
}

// Listener accepts connections that come as requests.
type Listener struct {
	net.Listener
	config Config
	server http.Server
	conns  chan net.Conn
	closed chan struct{}
	close  func() error
	work   sync.WaitGroup
}

// Listen accepts connections over those of another listener, until Close.
func Listen(l net.Listener, c Config) *Listener {
	w := &Listener{Listener: l, config: c, conns: make(chan net.Conn), closed: make(chan struct{})}
	w.server = http.Server{
		Handler: w, TLSConfig: c.TLS, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	w.close = sync.OnceValue(func() error {
		close(w.closed)
		err := w.server.Close()
		w.work.Wait()
		return err
	})
	w.work.Go(func() {
		var err error
		if c.TLS != nil {
			err = w.server.ServeTLS(l, "", "")
		} else {
			err = w.server.Serve(l)
		}
		c.Log.Debug("no more connections by HTTPS", "error", err)
	})
	return w
}

// ServeHTTP takes a request for a connection.
func (w *Listener) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(to, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // the answer says why
	}
	if c.Subprotocol() != protocol {
		_ = c.Close(websocket.StatusPolicyViolation, "ask for the protocol "+protocol)
		return
	}
	conn := &conn{websocket.NetConn(context.Background(), c, websocket.MessageBinary), w.origin(r)}
	select {
	case w.conns <- conn:
	case <-w.closed:
		_ = c.CloseNow()
	}
}

// origin returns where a request comes from: by the word of the proxies that are trusted,
// the last address that is none of theirs.
func (w *Listener) origin(r *http.Request) net.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return new(net.TCPAddr)
	}
	ip := at.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		from, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil || !slices.ContainsFunc(w.config.Trusted, func(p netip.Prefix) bool { return p.Contains(ip) }) {
			break
		}
		ip, at = from.Unmap(), netip.AddrPort{}
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, at.Port()))
}

// Accept returns the next connection.
func (w *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-w.conns:
		return conn, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listening. Connections that were accepted go on.
func (w *Listener) Close() error { return w.close() }

// conn is a connection, and where it comes from.
type conn struct {
	net.Conn
	from net.Addr
}

func (c *conn) RemoteAddr() net.Addr { return c.from }
