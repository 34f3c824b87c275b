package client

import (
	"context"
	"net"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/sight"
)

// Proposal is somebody who would meet, and has proved who it is.
type Proposal struct {
	ID    uuid.UUID
	Card  *identity.Card
	Lobby bool // it need not know the network
}

// Meeting is what a node needs to meet another that is willing.
type Meeting struct {
	Proposal
	Dial     []sight.Endpoint // where to dial it, see [Dialable]
	Seen     []string         // where the server has seen it
	Observed string           // where the server has seen this node
}

// Circuit is an end of a circuit, which is good for 30 seconds.
type Circuit struct {
	Peer   uuid.UUID // who has the other end, by the server's word
	Passed []byte    // ids of the relays on the way, of 16 octets each
	Ahead  []byte    // sealed content of the peer, if it has asked
	ticket []byte
	dial   func(context.Context) (net.Conn, error)
}

// Dial returns the connection, at whose other end the peer will be: it is nobody's until
// that has proved who it is.
func (c *Circuit) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(c.ticket); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// met returns what there is to know of a meeting.
func met(m *oncerecord.Meeting, who Proposal, seen []string, observed string) *Meeting {
	return &Meeting{Proposal: who, Dial: Dialable(m.Candidates, seen, observed, who.Card.Transport), Seen: seen, Observed: observed}
}
