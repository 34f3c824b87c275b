package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/rendezvous/wss"
	"github.com/sjohnr/at-once/src/sight"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveIn); dir != "" {
		beServer(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

// config returns settings by name and value in turn.
func config(t *testing.T, dir string, settings ...string) Config {
	t.Helper()
	c := Config{Directory: dir, Logger: quiet}
	for pair := range slices.Chunk(append([]string{"listen", "tcp://127.0.0.1:*"}, settings...), 2) {
		if err := c.Set(pair[0], pair[1]); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func start(t *testing.T, c Config) *Service {
	t.Helper()
	s, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// node has a node be in a network until the test ends. Circuits that others ask for go to lent.
func node(t *testing.T, a rendezvous.Address, dial func(context.Context, string) (net.Conn, error), lent chan *client.Circuit) (*client.Client, uuid.UUID) {
	t.Helper()
	own, err := identity.New()
	if err == nil {
		_, err = own.Issue(uint64(time.Now().UnixNano()), time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(client.Config{
		Address: a, Identity: own, Transport: link.TCP{}, WSS: dial, Linger: time.Second, Log: quiet,
		Random: func(string) float64 { return 0.1 }, Count: func(string) {}, Describe: func() client.Description { return client.Description{Name: "n"} },
		Lent: func(c *client.Circuit) { lent <- c },
	})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = c.Run(ctx, sight.Announcement{}, func([]sight.Sighting) {})
	}()
	t.Cleanup(func() { cancel(); <-over })
	return c, own.UUID()
}

// join has a node be in a network at an address, until the test ends, and returns a function
// that waits until it is as it is to be.
func join(t *testing.T, address string, dial func(context.Context, string) (net.Conn, error)) (await func(is func(client.State) bool)) {
	t.Helper()
	a, err := rendezvous.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := node(t, a, dial, nil)
	return func(is func(client.State) bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !is(c.State()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it is still %+v", c.State())
			}
		}
	}
}

func well(s client.State) bool { return s.Trouble == "" }
func ill(s client.State) bool  { return s.Trouble != "" }

func TestSettings(t *testing.T) {
	for _, s := range api.ServerOptions {
		if s.Default != "" {
			if err := new(Config).Set(s.Name, s.Default); err != nil {
				t.Errorf("the default of %s: %v", s.Name, err)
			}
		}
	}
	for name, value := range map[string]string{
		"listen": "127.0.0.1:1", "external": "a b", "access": "some", "max-peers": "-1", "relay": "maybe", "drain": "soon",
		"trusted-proxy": "10.0.0.0/99", "elsewhere": "http://x", "nothing": "1", "requests": "99999999999",
	} {
		err := new(Config).Set(name, value)
		var setting *SettingError
		if !errors.As(err, &setting) || setting.Name != name || !errors.Is(err, api.ErrArgument) || !strings.Contains(err.Error(), value) {
			t.Errorf("%s = %s: %v", name, value, err)
		}
	}
	if err := new(Config).Set("access", "members="+strings.Repeat("0", 40)); err == nil {
		t.Error("a key of zeros")
	}
}

// TestWhole refuses what means nothing without what is not given, and makes no identity then.
func TestWhole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "server")
	for _, option := range api.ServerOptions {
		if option.With == "" {
			continue
		}
		c := Config{Directory: dir, values: map[string][]string{option.Name: {"1"}}}
		var setting *SettingError
		if _, err := Start(t.Context(), c); !errors.As(err, &setting) || setting.Name != option.Name || !strings.Contains(err.Error(), "nothing without "+option.With) {
			t.Errorf("%s: %v", option.Name, err)
		}
		if c.values[option.With] = []string{"no"}; c.whole() != nil && optionOf(option.With).With == "" {
			t.Errorf("%s with %s: %v", option.Name, option.With, c.whole())
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is there: %v", err)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "conf")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# a comment\n\n max-peers = 7\nlisten = tcp://127.0.0.1:1, tcp://[::1]:1\nlisten=tcp://127.0.0.1:2\nrelay = yes\n")
	c := Config{}
	if err := errors.Join(c.Set("relay", "no"), c.Read(file)); err == nil {
		t.Fatal("an endpoint with a space before it is taken")
	}
	write("# a comment\n\n max-peers = 7\nlisten = tcp://127.0.0.1:1,tcp://[::1]:1\nlisten=tcp://127.0.0.1:2\nrelay = yes\n")
	c = Config{}
	if err := errors.Join(c.Set("relay", "no"), c.Read(file)); err != nil {
		t.Fatal(err)
	}
	if c.number("max-peers") != 7 || len(c.list("listen")) != 3 || c.text("relay") != "no" || c.text("drain") != "10s" {
		t.Errorf("%v", c.values)
	}
	for text, want := range map[string]string{"what\n": "line 1", "\nmax-peers = x": "line 2", "none = 1": "no such setting"} {
		write(text)
		if err := new(Config).Read(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestHosts: what it prints leads to where it listens.
func TestHosts(t *testing.T) {
	c := config(t, "", "external", "a.example,b.example:7")
	if got := c.hosts(nil); !slices.Equal(got, []string{"a.example", "b.example:7"}) {
		t.Errorf("%v", got)
	}
	c = config(t, "")
	if got := c.hosts([]net.Addr{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7}}); !slices.Equal(got, []string{"192.0.2.1:7"}) {
		t.Errorf("%v", got)
	}
	if got := c.hosts([]net.Addr{&net.TCPAddr{IP: net.IPv6unspecified, Port: 7}}); len(got) == 0 || strings.Contains(strings.Join(got, ""), "[::]") {
		t.Errorf("%v", got)
	}
}

// TestLife: it makes its identity once, is one at a time, tells how it goes, takes other
// limits while it runs, and sends nodes away who are let in no more.
func TestLife(t *testing.T) {
	dir := t.TempDir()
	s := start(t, config(t, dir, "metrics", "127.0.0.1:0"))
	if !s.Fresh() {
		t.Error("its identity is said to be old")
	}
	if _, err := Start(t.Context(), config(t, dir)); !errors.Is(err, api.ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	whole, err := NewNetwork(s.Address())
	if err != nil || !strings.HasPrefix(whole, s.Address()+"#") {
		t.Fatal(whole, err)
	}
	await := join(t, whole, nil)
	await(well)
	text, err := Ask(t.Context(), dir)
	var status Status
	if err == nil {
		err = json.Unmarshal([]byte(text), &status)
	}
	if err != nil || status.Peers != 1 || status.Watchers != 1 || status.Address != s.Address() || status.Process != os.Getpid() {
		t.Errorf("%+v, %v", status, err)
	}
	checkMetrics(t, s)

	allow := filepath.Join(dir, "allow")
	if err := os.WriteFile(allow, []byte("junk\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reload(config(t, dir, "access", "allow="+allow)); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a list that is wrong: %v", err)
	}
	if err := os.WriteFile(allow, []byte("# nobody\n34750f98-bd59-8cfc-946d-a45aaabe933b ana\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	later, err := s.Reload(config(t, dir, "access", "allow="+allow, "wss", "tcp://127.0.0.1:*"))
	if err != nil || !slices.Equal(later, []string{"wss", "metrics"}) {
		t.Errorf("%v, %v", later, err)
	}
	await(ill)
	s.Close()
	if _, err := Ask(t.Context(), dir); !errors.Is(err, api.ErrNotRunning) || strings.Contains(err.Error(), "http") {
		t.Error("a server that has ended answers")
	}
	again := start(t, config(t, dir))
	if again.Fresh() || again.own.UUID() != s.own.UUID() {
		t.Error("it has another identity")
	}
}

func checkMetrics(t *testing.T, s *Service) {
	t.Helper()
	for path, want := range map[string]string{"/metrics": "once_server_peers 1", "/healthz": "ok", "/debug/pprof/": "goroutine"} {
		request, err := http.NewRequest(http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		to := &recorder{header: http.Header{}}
		s.metrics().ServeHTTP(to, request)
		if !strings.Contains(to.text.String(), want) {
			t.Errorf("%s: %.200s", path, to.text.String())
		}
	}
}

type recorder struct {
	header http.Header
	text   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(b []byte) (int, error) { return r.text.Write(b) }

// TestRotate: an address with the key before goes on, and the second rotation ends it.
func TestRotate(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "tcp://" + l.Addr().String()
	_ = l.Close()
	c := Config{Directory: dir, Logger: quiet}
	if err := c.Set("listen", endpoint); err != nil {
		t.Fatal(err)
	}
	s := start(t, c)
	first := s.Address()
	if err := Rotate(dir); !errors.Is(err, api.ErrInUse) {
		t.Errorf("of a server that runs: %v", err)
	}
	s.Close()
	if err := Rotate(dir); err != nil {
		t.Fatal(err)
	}
	s = start(t, c)
	if s.Address() == first {
		t.Error("it has the same key")
	}
	join(t, first, nil)(well)
	join(t, s.Address(), nil)(well)
	s.Close()
	if err := Rotate(dir); err != nil {
		t.Fatal(err)
	}
	start(t, c)
	join(t, first, nil)(func(s client.State) bool { return ill(s) && !strings.Contains(s.Trouble, "has not answered") })
}

// TestHTTPS: who reaches the server by HTTPS only is there, and seen at its own address.
func TestHTTPS(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	for _, tls := range []bool{true, false} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().String()
		_ = l.Close()
		settings := []string{"wss", "tcp://" + at, "wss-url", "wss://" + at + "/once", "external", "127.0.0.1:1"}
		if tls {
			settings = append(settings, "tls-cert", filepath.Join(dir, "cert.pem"), "tls-key", filepath.Join(dir, "key.pem"))
		}
		s := start(t, config(t, "", settings...))
		whole, err := NewNetwork(s.Address())
		if err != nil {
			t.Fatal(err)
		}
		dial := func(ctx context.Context, url string) (net.Conn, error) {
			if tls {
				http.DefaultTransport.(*http.Transport).CloseIdleConnections()
				return wss.Dial(ctx, url)
			}
			return wss.Dial(ctx, strings.Replace(url, "wss:", "ws:", 1))
		}
		if tls { // nobody vouches for the certificate
			join(t, whole, dial)(func(s client.State) bool { return strings.Contains(s.Trouble, "certificate") })
			continue
		}
		join(t, whole, dial)(func(s client.State) bool { return well(s) && strings.HasPrefix(s.Observed, "127.0.0.1:") })
		s.Close()
	}
}

// certificate makes one that nobody vouches for.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err1 := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	secret, err2 := x509.MarshalPKCS8PrivateKey(key)
	err = errors.Join(err1, err2,
		os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}
