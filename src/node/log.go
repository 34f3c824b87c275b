package node

import (
	"context"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"
)

// maxLines is how many lines of the log may wait for the application; further ones are
// dropped and counted.
const maxLines = 4096

// journal hands the lines of a node's log to the application, one at a time and in order.
// Who writes them does not wait for it.
type journal struct {
	handle func(level int, message string, attributes map[string]string)
	count  func(name string)

	mu      sync.Mutex
	lines   []logLine
	dropped int           // lines after those
	written chan struct{} // closed when the goroutine that hands them on ends; nil if none runs
}

// logLine is one line of the log.
type logLine struct {
	level      int
	message    string
	attributes map[string]string
}

func (j *journal) write(line logLine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.lines) == maxLines {
		j.dropped++
		j.count("log lines over the limit")
		return
	}
	if j.lines = append(j.lines, line); j.written == nil {
		j.written = make(chan struct{})
		go j.run(j.written)
	}
}

// run hands lines on until none waits.
func (j *journal) run(written chan struct{}) {
	defer close(written)
	for {
		j.mu.Lock()
		lines, dropped := j.lines, j.dropped
		j.lines, j.dropped = nil, 0
		if len(lines) == 0 {
			j.written = nil
		}
		j.mu.Unlock()
		if len(lines) == 0 {
			return
		}
		for _, line := range lines {
			j.handle(line.level, line.message, line.attributes)
		}
		if dropped > 0 {
			j.handle(int(slog.LevelWarn), "lines of the log were dropped", map[string]string{"lines": strconv.Itoa(dropped)})
		}
	}
}

// wait waits until the application has taken all lines, but not for long.
func (j *journal) wait(most time.Duration) {
	j.mu.Lock()
	written := j.written
	j.mu.Unlock()
	if written == nil {
		return
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-written:
	case <-timer.C:
	}
}

// logHandler writes each record of a slog.Logger into a journal, with its attributes as
// text.
type logHandler struct {
	*journal
	attributes map[string]string
}

func (h logHandler) Enabled(context.Context, slog.Level) bool { return h.handle != nil }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	attributes := maps.Clone(h.attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	r.Attrs(func(a slog.Attr) bool {
		attributes[a.Key] = a.Value.Resolve().String()
		return true
	})
	h.write(logLine{int(r.Level), r.Message, attributes})
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	attributes := maps.Clone(h.attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	for _, a := range attrs {
		attributes[a.Key] = a.Value.Resolve().String()
	}
	return logHandler{h.journal, attributes}
}

// WithGroup returns the handler as it is: the engine does not group.
func (h logHandler) WithGroup(string) slog.Handler { return h }
