// Package server runs a rendezvous server, by which nodes find each other that are not on
// one network:
//
//	config := server.Config{Directory: "/var/lib/once-server", Logger: logger}
//	if err := config.Set("relay", "yes"); err != nil {
//		return err
//	}
//	s, err := server.Start(ctx, config)
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	fmt.Println(s.Address())
//
// [Settings] tells which settings there are: they are those of the command once server.
package server

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/serve"
)

// Config is how a server is to be. Its Set gives a setting a value, its Read takes those
// that are not given yet from a file.
type Config = serve.Config

// Setting is one of a server.
type Setting = api.ServerOption

// SettingError says which setting is wrong, and why.
type SettingError = serve.SettingError

// Status is what there is to say of a server.
type Status = serve.Status

// Settings returns all settings.
func Settings() []Setting { return slices.Clone(api.ServerOptions) }

// Server is a server that runs. All methods may be called from any goroutine. One that is
// nil or zero does not run, and its methods return zero values.
type Server struct{ engine *serve.Service }

// Start starts a server. It runs until Close, whatever becomes of ctx.
func Start(ctx context.Context, c Config) (*Server, error) {
	engine, err := serve.Start(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Server{engine}, nil
}

// Address returns the address that nodes need, without a SECRET; see [NewNetwork].
func (s *Server) Address() string {
	if s == nil || s.engine == nil {
		return ""
	}
	return s.engine.Address()
}

// Fresh tells whether the server's identity was made when it was started.
func (s *Server) Fresh() bool { return s != nil && s.engine != nil && s.engine.Fresh() }

// Status returns what there is to say of the server.
func (s *Server) Status() Status {
	if s == nil || s.engine == nil {
		return Status{}
	}
	return s.engine.Status()
}

// Reload has other settings hold from now on, and returns those that only count when the
// server starts again. What is wrong changes nothing.
func (s *Server) Reload(c Config) (later []string, err error) {
	if s == nil || s.engine == nil {
		return nil, nil
	}
	return s.engine.Reload(c)
}

// Drain tells nodes that the server ends and when to come back, and waits until they have
// gone, or ctx ends.
func (s *Server) Drain(ctx context.Context) error {
	if s == nil || s.engine == nil {
		return nil
	}
	return s.engine.Drain(ctx)
}

// Close ends the server at once.
func (s *Server) Close() {
	if s != nil && s.engine != nil {
		s.engine.Close()
	}
}

// Ask returns what there is to say of the server that runs in a directory.
func Ask(ctx context.Context, dir string) (status Status, err error) {
	text, err := serve.Ask(ctx, dir)
	if err == nil {
		err = json.Unmarshal([]byte(text), &status)
	}
	return status, err
}

// NewNetwork returns a server's address with a SECRET that was drawn for it, and is kept
// nowhere: who has the whole is in one network.
func NewNetwork(address string) (string, error) { return serve.NewNetwork(address) }

// Rotate gives a server that does not run another KEY from its next start on. The one that
// it has is served too, until the next Rotate.
func Rotate(dir string) error { return serve.Rotate(dir) }
