package zmtp

import "testing"

// RFC 37, "Framing": a short frame has a body of 0 to 255 octets, and its size
// does not count the header.
func TestHeader(t *testing.T) {
	for _, test := range []struct {
		n    int
		more bool
		want string
	}{
		{0, false, "\x00\x00"},
		{0, true, "\x01\x00"},
		{255, false, "\x00\xff"},
		{256, true, "\x03\x00\x00\x00\x00\x00\x00\x01\x00"},
		{1<<32 + 7, false, "\x02\x00\x00\x00\x01\x00\x00\x00\x07"},
	} {
		got := AppendHeader([]byte("x"), test.n, test.more)
		if string(got) != "x"+test.want {
			t.Errorf("header of %d octets, more %v: %x, want %x", test.n, test.more, got[1:], test.want)
		}
		if FrameSize(test.n) != len(test.want)+test.n {
			t.Errorf("frame of %d octets: size %d, want %d", test.n, FrameSize(test.n), len(test.want)+test.n)
		}
	}
}
