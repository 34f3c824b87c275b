package node

import (
	"context"
	"log/slog"
	"maps"
)

// logHandler hands each record of a slog.Logger to a function, with its
// attributes as text.
type logHandler struct {
	handle     func(level int, message string, attributes map[string]string)
	attributes map[string]string
}

func (h logHandler) Enabled(context.Context, slog.Level) bool { return h.handle != nil }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	attributes := maps.Clone(h.attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	r.Attrs(func(a slog.Attr) bool {
		attributes[a.Key] = a.Value.String()
		return true
	})
	h.handle(int(r.Level), r.Message, attributes)
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	attributes := maps.Clone(h.attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	for _, a := range attrs {
		attributes[a.Key] = a.Value.String()
	}
	return logHandler{h.handle, attributes}
}

// WithGroup returns the handler as it is: the engine does not group.
func (h logHandler) WithGroup(string) slog.Handler { return h }
