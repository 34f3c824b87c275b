//go:build !unix

package abi

import (
	"context"
	"errors"
)

// A pump needs descriptors that can be waited for, which this system does not have.
type pump struct{}

var errNoDescriptor = errors.New("there are no descriptors on this system: receive with a timeout")

func newPump(context.Context, func(context.Context) (Events, error), bool) (*pump, error) {
	return nil, errNoDescriptor
}

func (*pump) take(context.Context) (Events, error) { return Events{}, errNoDescriptor }
func (*pump) goOn()                                {}
func (*pump) descriptor() int                      { return -1 }
func (*pump) close()                               {}
