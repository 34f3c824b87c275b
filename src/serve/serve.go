package serve

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/lock"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/server"
	"github.com/sjohnr/at-once/src/rendezvous/wss"
)

// The files of a server, beside those of its identity.
const (
	fileFormer = "former.cert"
	dirRolls   = "rolls"
)

// Service is a server that runs. All methods may be called from any goroutine.
type Service struct {
	config  Config
	own     *identity.Identity
	server  *server.Server
	address rendezvous.Address
	web     []*http.Server
	work    sync.WaitGroup
	close   func()
	fresh   bool // its identity was made

	mu      sync.Mutex // guards config, and what follows
	reloads int
}

// Start starts a server. Close must follow.
func Start(ctx context.Context, c Config) (s *Service, err error) {
	if err := c.whole(); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s = &Service{config: *c.clone()}
	s.close = sync.OnceFunc(s.end)
	defer func() {
		if err != nil {
			s.Close()
			s = nil
		}
	}()
	if c.Directory != "" {
		_, err := os.Stat(filepath.Join(c.Directory, "identity.key"))
		s.fresh = errors.Is(err, fs.ErrNotExist)
	}
	if s.own, err = identity.Open(c.Directory); err != nil {
		return s, err
	}
	if err = s.own.Hold(); err != nil {
		s.own = nil
		return s, fmt.Errorf("hold the server's identity: %w", err)
	}
	former, err := formerKey(c.Directory)
	if err != nil {
		return s, err
	}
	policy, err := c.policy()
	if err != nil {
		return s, err
	}
	config := server.Config{Identity: s.own, Former: former, Transport: link.TCP{}, Log: c.Logger}
	if c.Directory != "" {
		config.Keep = rollFiles(filepath.Join(c.Directory, dirRolls))
	}
	if s.server, err = server.New(config, policy); err != nil {
		return s, err
	}
	return s, errors.Join(s.listen(ctx), s.tell())
}

// formerKey returns the KEY that the server had before, nil for none.
func formerKey(dir string) (*ecdh.PrivateKey, error) {
	if dir == "" {
		return nil, nil
	}
	key, err := identity.LoadCertificate(filepath.Join(dir, fileFormer))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return key, err
}

// Rotate has a server that does not run have another KEY from its next start on, beside the
// one that it has now, which takes the place of any before.
func Rotate(dir string) error {
	own, err := identity.Load(dir)
	if err != nil {
		return err
	}
	if err := own.Hold(); err != nil {
		return fmt.Errorf("end the server first: %w", err)
	}
	defer own.Release()
	for _, end := range []string{"_secret", ""} {
		if err := os.Rename(filepath.Join(dir, "transport.cert"+end), filepath.Join(dir, fileFormer+end)); err != nil {
			return err
		}
	}
	_, err = identity.Load(dir) // which makes another
	return err
}

// listen takes connections wherever it is to.
func (s *Service) listen(ctx context.Context) error {
	var listens []net.Addr
	for _, endpoint := range s.config.list("listen") {
		l, err := link.TCP{}.Listen(ctx, endpoint)
		if err != nil {
			return fmt.Errorf("listen at %s: %w", endpoint, err)
		}
		listens = append(listens, l.Addr())
		s.server.Serve(l)
	}
	if err := s.listenHTTPS(ctx); err != nil {
		return err
	}
	hosts := s.config.hosts(listens)
	s.address = rendezvous.Address{Key: [32]byte(s.own.Transport().PublicKey().Bytes()), WSS: s.config.text("wss-url")}
	for _, host := range hosts[:min(len(hosts), oncemsg.MaxServers)] {
		a, err := rendezvous.ParseAddress("once://" + host + "/?key=" + identity.Base64(s.address.Key[:]))
		if err != nil {
			return err
		}
		s.address.Hosts = append(s.address.Hosts, a.Hosts...)
	}
	return nil
}

func (s *Service) listenHTTPS(ctx context.Context) error {
	endpoint := s.config.text("wss")
	if endpoint == "" {
		return nil
	}
	c := wss.Config{Log: s.config.Logger}
	if cert := s.config.text("tls-cert"); cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, s.config.text("tls-key"))
		if err != nil {
			return fmt.Errorf("tls-cert: %w", err)
		}
		c.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	}
	for _, text := range s.config.list("trusted-proxy") {
		p, err := prefixOf(text)
		if err != nil {
			return err
		}
		c.Trusted = append(c.Trusted, p)
	}
	l, err := link.TCP{}.Listen(ctx, endpoint)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", endpoint, err)
	}
	s.server.Serve(wss.Listen(l, c))
	return nil
}

// tell has the server tell how it goes: at the socket in its directory, and at an address.
func (s *Service) tell() error {
	if s.config.Directory != "" {
		l, err := control.Listen(s.config.Directory, func(string) {})
		if err != nil {
			return err
		}
		s.answer(l, http.HandlerFunc(s.serveStatus))
	}
	address := s.config.text("metrics")
	if address == "" {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	s.config.Logger.Info("metrics", "address", l.Addr().String())
	s.answer(l, s.metrics())
	return nil
}

func (s *Service) answer(l net.Listener, handler http.Handler) {
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	s.web = append(s.web, web)
	s.work.Go(func() {
		if err := web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.config.Logger.Warn("no more answers", "address", l.Addr(), "error", err)
		}
	})
}

func (s *Service) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(s.Status()); err != nil {
		s.config.Logger.Debug("status", "error", err)
	}
}

// Status is what there is to say of a server.
type Status struct {
	Address string `json:"address"`
	ID      string `json:"id"`
	Process int    `json:"process"`
	Reloads int    `json:"reloads"` // how often other settings were taken
	server.Status
}

// Status returns what there is to say of the server.
func (s *Service) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Address: s.Address(), ID: s.own.UUID().String(), Process: os.Getpid(), Reloads: s.reloads, Status: s.server.Status()}
}

// maxStatus is how many octets the word of a running server may have.
const maxStatus = 1 << 20

// idle is an error: no server runs in a directory.
type idle string

func (dir idle) Error() string {
	return "no server runs in " + string(dir) + ": once server starts one"
}
func (idle) Unwrap() error { return api.ErrNotRunning }

// Ask returns what there is to say of the server that runs in a directory, in JSON.
func Ask(ctx context.Context, dir string) (status string, err error) {
	client := http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return control.Dial(ctx, dir) },
		DisableKeepAlives: true,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server/status", nil)
	if err != nil {
		return status, err
	}
	response, err := client.Do(request)
	if errors.Is(err, control.ErrAbsent) {
		return status, idle(dir)
	} else if err != nil {
		return status, fmt.Errorf("the server in %s does not answer: %w", dir, errors.Unwrap(err)) // without a URL that nobody knows
	}
	defer response.Body.Close()
	text, err := io.ReadAll(http.MaxBytesReader(nil, response.Body, maxStatus))
	return string(text), err
}

// Fresh tells whether the server's identity was made when it was started.
func (s *Service) Fresh() bool { return s.fresh }

// Address returns the server's address, without a SECRET.
func (s *Service) Address() string { return s.address.Public() }

// NewNetwork returns a server's address with a SECRET that was drawn for it, and is kept
// nowhere.
func NewNetwork(address string) (string, error) {
	a, err := rendezvous.ParseAddress(address)
	a.Secret = rendezvous.NewSecret()
	return a.String(), err
}

// Reload has other settings hold from now on, and returns those that only count when the
// server starts again. What is wrong changes nothing.
func (s *Service) Reload(c Config) (later []string, err error) {
	policy, err := c.policy()
	if err == nil {
		err = c.whole()
	}
	if err == nil {
		err = s.server.SetPolicy(policy)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, setting := range api.ServerOptions {
		if setting.Fixed && fmt.Sprint(s.config.list(setting.Name)) != fmt.Sprint(c.list(setting.Name)) {
			later = append(later, setting.Name)
		}
	}
	for _, setting := range api.ServerOptions {
		if !setting.Fixed {
			if s.config.values == nil {
				s.config.values = map[string][]string{}
			}
			s.config.values[setting.Name] = c.values[setting.Name]
		}
	}
	s.reloads++
	return later, nil
}

// Drain tells nodes that the server ends, and waits until they have gone, or ctx ends.
func (s *Service) Drain(ctx context.Context) error {
	s.mu.Lock()
	spread, elsewhere := s.config.duration("drain"), s.config.text("elsewhere")
	s.mu.Unlock()
	return s.server.Drain(ctx, spread, elsewhere)
}

// Close ends the server at once.
func (s *Service) Close() { s.close() }

func (s *Service) end() {
	for _, web := range s.web {
		_ = web.Close()
	}
	s.work.Wait()
	if s.server != nil {
		s.server.Close()
	}
	if s.own != nil {
		s.own.Release()
	}
}

// rollFiles is a directory with the rolls of networks.
type rollFiles string

func (d rollFiles) path(network ed25519.PublicKey) string {
	return filepath.Join(string(d), identity.Base64(network))
}

// Load returns a roll, or nothing.
func (d rollFiles) Load(network ed25519.PublicKey) ([]byte, error) {
	octets, err := os.ReadFile(d.path(network))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return octets, err
}

// Save keeps a roll, in place of any before.
func (d rollFiles) Save(network ed25519.PublicKey, roll []byte) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	return lock.Replace(d.path(network), 0o600, roll)
}
