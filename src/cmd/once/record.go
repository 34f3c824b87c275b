package main

// record is an event as JSON.
type record struct {
	Type            string            `json:"type"`
	Time            string            `json:"time"` // RFC 3339, with milliseconds
	Peer            string            `json:"peer"`
	Name            string            `json:"name"`
	Endpoint        string            `json:"endpoint"`
	Headers         map[string]string `json:"headers"`
	Protection      string            `json:"protection,omitempty"`
	Way             string            `json:"way,omitempty"`
	Identity        string            `json:"identity,omitempty"`
	Group           string            `json:"group,omitempty"`
	Reason          string            `json:"reason,omitempty"`
	Why             string            `json:"why,omitempty"`      // of a refusal, for programs
	Ours            bool              `json:"ours,omitempty"`     // it is this node that refuses
	Question        uint64            `json:"question,omitempty"` // not 0 if the peer waits for an answer
	Content         []string          `json:"content,omitempty"`
	ContentEncoding string            `json:"content_encoding,omitempty"`
	Msg             [][]byte          `json:"-"`
}
