package serve

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"

	"github.com/sjohnr/at-once/generated/go/api"
)

// Server is a server as the class once_server has it. All methods may be called from any
// goroutine.
type Server struct {
	mu      sync.Mutex // guards what follows
	set     Config
	file    Config   // what the latest file says
	running *Service // nil until it starts
	started bool
}

// New returns a server that does nothing yet.
func New(directory string) (*Server, error) {
	return &Server{set: Config{Directory: directory, Logger: slog.New(slog.DiscardHandler)}}, nil
}

// Set gives an option a value; one that may have several, another.
func (s *Server) Set(option, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set.Set(option, value)
}

// Read takes options from a file that were not set, in place of those of any file before.
func (s *Server) Read(file string) error {
	var c Config
	err := c.Read(file)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.file = c
	}
	return err
}

// config returns what is set, and else what the file says. The caller holds the lock.
func (s *Server) config() *Config {
	c := s.set.clone()
	for name, values := range s.file.values {
		if c.values[name] == nil {
			c.values[name] = values
		}
	}
	return c
}

// Start starts the server, once.
func (s *Server) Start(ctx context.Context) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return api.ErrStarted
	}
	s.running, err = Start(ctx, *s.config())
	s.started = err == nil
	return err
}

// engine returns what runs, or [api.ErrNotRunning].
func (s *Server) engine() (*Service, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil, api.ErrNotRunning
	}
	return s.running, nil
}

// Address returns the address that nodes need, without a SECRET.
func (s *Server) Address() string {
	engine, err := s.engine()
	if err != nil {
		return ""
	}
	return engine.Address()
}

// Network returns the address with a SECRET that was drawn for it.
func (s *Server) Network() (string, error) {
	engine, err := s.engine()
	if err != nil {
		return "", err
	}
	return NewNetwork(engine.Address())
}

// Status returns what there is to say of the server, in JSON.
func (s *Server) Status() (string, error) {
	engine, err := s.engine()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(engine.Status())
	return string(text), err
}

// Reload has options hold from now on, and returns those that count later.
func (s *Server) Reload() (string, error) {
	engine, err := s.engine()
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	c := s.config()
	s.mu.Unlock()
	later, err := engine.Reload(*c)
	return strings.Join(later, ","), err
}

// Drain tells nodes that the server ends, and waits until they have gone, or ctx ends.
func (s *Server) Drain(ctx context.Context) error {
	engine, err := s.engine()
	if err == nil {
		err = engine.Drain(ctx)
	}
	return err
}

// Stop ends the server at once.
func (s *Server) Stop() {
	s.mu.Lock()
	engine := s.running
	s.running = nil
	s.mu.Unlock()
	if engine != nil {
		engine.Close()
	}
}

// Close is Stop.
func (s *Server) Close() error { s.Stop(); return nil }
