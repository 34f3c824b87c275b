package rendezvous

import (
	"encoding/binary"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Say queues a message of once_msg about a request on a link. It does not wait: an error says
// that there is no room, or that the link is closed.
func Say(on *link.Link, number uint32, m oncemsg.Message) error {
	octets, err := AppendMessage(nil, number, m)
	if err != nil {
		return err
	}
	room, err := on.ReserveControl(len(octets))
	if err != nil {
		return err
	}
	copy(room, octets)
	on.Commit()
	return nil
}

// AppendMessage appends a message of once_msg about a request as ZMTP frames.
func AppendMessage(b []byte, number uint32, m oncemsg.Message) ([]byte, error) {
	content := m.Frames()
	from := len(b)
	b = zmtp.AppendHeader(b, m.Size(), len(content) > 0)
	head := len(b)
	b, err := m.AppendTo(b)
	if err != nil {
		return b[:from], err
	}
	binary.BigEndian.PutUint32(b[head+oncemsg.NumberOffset:], number)
	for i, frame := range content {
		b = append(zmtp.AppendHeader(b, len(frame), i < len(content)-1), frame...)
	}
	return b, nil
}

// ParseMessage returns the message of once_msg that frames hold, and the number of its
// request. What is for bridges has no fields that are looked at.
func ParseMessage(frames [][]byte) (number uint32, m oncemsg.Message, err error) {
	id, err := oncemsg.Peek(frames[0])
	if err != nil {
		return 0, nil, err
	}
	m = oncemsg.New(id)
	if len(frames[0]) >= oncemsg.NumberOffset+4 {
		number = binary.BigEndian.Uint32(frames[0][oncemsg.NumberOffset:])
	}
	if id >= oncemsg.IDRemoteWhisper && id <= oncemsg.IDRemoteExit {
		return number, m, nil
	}
	return number, m, m.Decode(frames[0], frames[1:])
}
