package once_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// TestConfigOutOfLimits checks that an error names the field that it is about.
func TestConfigOutOfLimits(t *testing.T) {
	long := strings.Repeat("x", 65281)
	for field, config := range map[string]once.Config{
		"Name":          {Name: long},
		"Groups":        {Groups: []string{"room", ""}},
		"Contest":       {Contest: []string{long}},
		"Headers":       {Headers: map[string]string{"k": long}},
		"Security":      {Security: 9},
		"Trust":         {Trust: 9},
		"Sealed":        {Sealed: []string{""}},
		"Interfaces":    {Interfaces: []string{""}},
		"BeaconPort":    {BeaconPort: 65536},
		"Endpoint":      {Endpoint: long},
		"Advertise":     {Advertise: long},
		"GossipBind":    {GossipBind: long},
		"GossipConnect": {GossipConnect: []string{""}},
		"Interval":      {Interval: time.Nanosecond},
		"Evasive":       {Evasive: time.Nanosecond},
		"Silent":        {Silent: time.Nanosecond},
		"Expired":       {Expired: time.Nanosecond},
		"Greeting":      {Greeting: time.Nanosecond},
		"Linger":        {Linger: -1},
		"MaxMessage":    {MaxMessage: 1},
		"Outbox":        {Outbox: 1},
		"Inbox":         {Inbox: 1},
	} {
		node, err := once.Start(t.Context(), config)
		if !errors.Is(err, once.ErrArgument) || !strings.HasPrefix(err.Error(), "once.Config."+field+": ") {
			t.Errorf("%s: the error is %v", field, err)
		}
		if err == nil {
			node.Close()
		}
	}
}
