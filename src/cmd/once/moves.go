package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// moves writes the moves of machines, which are lines of the log.
type moves struct {
	mu  sync.Mutex
	to  io.Writer
	err error
}

// moveMessage is what the log calls a move of a machine.
const moveMessage = "machine moves"

// trace waits until the time is over or nobody reads any more. The node's events are not of
// interest, but have to be read.
func (m *moves) trace(ctx context.Context, node *once.Node, lasts time.Duration) error {
	if lasts > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, lasts)
		defer stop()
	}
	for range node.Events(ctx) {
		if err := m.failed(); err != nil {
			return err
		}
	}
	return m.failed()
}

func (m *moves) failed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// moveHandler hands moves to m, and the rest of the log to another handler.
type moveHandler struct {
	slog.Handler
	*moves
}

func (h moveHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h moveHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == moveMessage {
		h.write(r)
		return nil
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (m *moves) write(r slog.Record) {
	values := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		values[a.Key] = a.Value.String()
		return true
	})
	line, err := json.Marshal(struct {
		Time    time.Time `json:"time"`
		Machine string    `json:"machine"`
		About   string    `json:"about"`
		State   string    `json:"state"`
		Event   string    `json:"event"`
		Next    string    `json:"next"`
	}{r.Time, values["machine"], values["about"], values["state"], values["event"], values["next"]})
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		_, err = m.to.Write(append(line, '\n'))
	}
	if m.err == nil {
		m.err = err
	}
}
