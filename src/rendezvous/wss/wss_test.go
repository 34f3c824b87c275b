package wss

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func listen(t *testing.T, trusted ...netip.Prefix) (*Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := Listen(l, Config{Trusted: trusted, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { _ = w.Close() })
	return w, l.Addr().String()
}

func TestBothWays(t *testing.T) {
	w, at := listen(t)
	near, err := Dial(t.Context(), "ws://"+at+"/any/path")
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := w.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if from := far.RemoteAddr().(*net.TCPAddr); !from.IP.IsLoopback() || from.Port == 0 {
		t.Errorf("from %v", from)
	}
	sent := bytes.Repeat([]byte("0123456789"), 20000)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() { _, _ = way[0].Write(sent) }()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(way[1], got); err != nil || !bytes.Equal(got, sent) {
			t.Fatal(err)
		}
	}
	_ = w.Close()
	if _, err := w.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
}

// TestOthers: what is no WebSocket, or asks for another protocol, is answered, and no
// connection.
func TestOthers(t *testing.T) {
	_, at := listen(t)
	client := http.Client{Timeout: 10 * time.Second}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		request, err := http.NewRequest(method, "http://"+at+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil || response.StatusCode < 400 {
			t.Errorf("%s: %v, %v", method, response, err)
		}
		if err == nil {
			_ = response.Body.Close()
		}
	}
	client.CloseIdleConnections()
}

// TestOrigin: only proxies that are trusted say where somebody comes from, and only the
// part of the list that they have written.
func TestOrigin(t *testing.T) {
	w := &Listener{config: Config{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, c := range []struct{ remote, header, want string }{
		{"192.0.2.1:7", "203.0.113.9", "192.0.2.1:7"},
		{"10.0.0.1:7", "", "10.0.0.1:7"},
		{"10.0.0.1:7", "203.0.113.9", "203.0.113.9:0"},
		{"10.0.0.1:7", "198.51.100.1, 203.0.113.9", "203.0.113.9:0"},
		{"10.0.0.1:7", "203.0.113.9, 10.0.0.2", "203.0.113.9:0"},
		{"10.0.0.1:7", "junk", "10.0.0.1:7"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if r.RemoteAddr = c.remote; c.header != "" {
			r.Header.Set("X-Forwarded-For", c.header)
		}
		if got := w.origin(r).String(); got != c.want {
			t.Errorf("%s by %q is %s, want %s", c.remote, c.header, got, c.want)
		}
	}
}
