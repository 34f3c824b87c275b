package node

import (
	"strings"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zre"
)

// SetHeader sets a header of the node's greeting. A node that runs greets its peers anew.
func (n *profile) SetHeader(name, value string) error {
	if strings.HasPrefix(name, zre.ReservedHeader) {
		return api.ErrReserved
	}
	return n.reword(func(headers map[string]string) error {
		count, octets := 1, zremsg.MaxHelloName+len(name)+len(value) // the name may still change
		for other, v := range headers {
			if other != name {
				count++
				octets += len(other) + len(v)
			}
		}
		if count > zremsg.MaxApplicationHeaders || octets > zremsg.MaxApplicationOctets {
			return api.ErrHeaders
		}
		headers[name] = value
		return nil
	})
}

// UnsetHeader takes a header away. A node that runs greets its peers anew.
func (n *profile) UnsetHeader(name string) error {
	return n.reword(func(headers map[string]string) error {
		if _, set := headers[name]; !set {
			return api.ErrUnknown
		}
		delete(headers, name)
		return nil
	})
}

// reword changes the headers, which are the loop's once the node has started.
func (n *profile) reword(change func(headers map[string]string) error) error {
	if early, err := n.early(func() error { return change(n.headers) }); early {
		return err
	}
	return n.try(func(l *loop) error {
		err := change(l.headers)
		if err == nil {
			l.step(zre.Reworded{Headers: wire.Pairs(l.headers)})
		}
		return err
	})
}
