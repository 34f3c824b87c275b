package server

import (
	"cmp"
	"fmt"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
)

// refusal is why something is not done.
type refusal struct {
	reason machine.Reason
	text   string
	retry  time.Duration
}

func refuse(reason machine.Reason, text string, args ...any) *refusal {
	return &refusal{reason: reason, text: fmt.Sprintf(text, args...)}
}

func (r *refusal) after(retry time.Duration) *refusal { r.retry = retry; return r }

func (r *refusal) message() *oncemsg.Nope {
	text := cmp.Or(r.text, r.reason.String())
	return &oncemsg.Nope{Code: uint8(r.reason), Text: text[:min(len(text), oncemsg.MaxNopeText)], Retry: uint32(r.retry / time.Millisecond)}
}
