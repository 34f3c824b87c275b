package main

import (
	"context"
	"errors"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// await shows events until somebody is present, and then until it was quiet for
// a moment. It fails with context.DeadlineExceeded if nobody was in time.
func await(ctx context.Context, node *once.Node, wait time.Duration, present func() bool, show func(once.Event) error) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	last := time.Now() // when something happened that was not a message
	for {
		pause := wait
		if present() {
			pause = settle - time.Since(last)
		}
		quiet, stop := context.WithTimeout(ctx, max(pause, 0))
		event, err := node.Next(quiet)
		stop()
		switch {
		case err == nil:
			if !isContent(event) {
				last = time.Now()
			}
			err = show(event)
		case errors.Is(err, context.DeadlineExceeded) && present():
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// glance is how often it is looked who is known to servers, which no event tells.
const glance = 100 * time.Millisecond

// settle is how long it must be quiet after somebody was found. Those who are
// there already greet a new node within moments of each other.
const settle = 250 * time.Millisecond

func isContent(event once.Event) bool {
	switch event.(type) {
	case *once.Whisper, *once.Shout:
		return true
	}
	return false
}
