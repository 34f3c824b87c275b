package server

import (
	"log/slog"
	"time"
)

// counts are of what is unusual, by name. They are under the lock of the server.
type counts struct {
	log  *slog.Logger
	of   map[string]uint64
	told map[string]time.Time // when a count was logged
}

func newCounts(log *slog.Logger) *counts {
	return &counts{log, map[string]uint64{}, map[string]time.Time{}}
}

// add counts something unusual, and logs it once a minute.
func (c *counts) add(what string) {
	c.of[what]++
	if now := time.Now(); now.Sub(c.told[what]) >= time.Minute {
		c.told[what] = now
		c.log.Info(what, "times", c.of[what])
	}
}
