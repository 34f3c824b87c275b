package zmtp

import "fmt"

// GreetingSize is the length of a greeting in octets.
const GreetingSize = 64

// Offsets in the greeting (RFC 37, "Formal Grammar"). The first eleven octets
// are enough to tell the version, and all that an older peer sends at first.
const (
	greetingMajor     = 10
	greetingMinor     = 11
	greetingMechanism = 12
	greetingServer    = 32
	greetingVersion   = 11 // octets up to and with the major version
)

// AppendGreeting appends a greeting of ZMTP 3.1. Mechanism has at most 20 octets.
func AppendGreeting(b []byte, mechanism string) []byte {
	var g [GreetingSize]byte
	g[0], g[9] = 0xff, 0x7f
	g[greetingMajor], g[greetingMinor] = 3, 1
	copy(g[greetingMechanism:greetingServer], mechanism)
	return append(b, g[:]...)
}

// checkVersion looks at the first octets of a greeting. What follows the
// signature's first octet has no meaning up to its last (RFC 37, "Version
// Negotiation"); versions above ours are for the far side to step down from.
func checkVersion(g []byte) error {
	if g[0] != 0xff || g[9] != 0x7f {
		return fmt.Errorf("%w: no ZMTP signature", ErrVersion)
	}
	if major := g[greetingMajor]; major < 3 {
		return fmt.Errorf("%w: version %d", ErrVersion, major)
	}
	return nil
}

// checkMechanism looks at a whole greeting. The filler has no meaning; of the
// as-server octet we only know that two servers have nothing to say to each other,
// since a server of libzmq does not set it.
func checkMechanism(g []byte, ours string, server bool) error {
	var want [greetingServer - greetingMechanism]byte
	copy(want[:], ours)
	if theirs := string(g[greetingMechanism:greetingServer]); theirs != string(want[:]) {
		return fmt.Errorf("%w: we use %s, the far side %s", ErrMechanism, ours, quote(theirs))
	}
	if server && g[greetingServer] != 0 {
		return fmt.Errorf("%w: both are %s servers", ErrMechanism, ours)
	}
	return nil
}

// minor returns the minor version that a greeting leaves us to talk in.
func minor(g []byte) int {
	if g[greetingMajor] == 3 && g[greetingMinor] == 0 {
		return 0
	}
	return 1
}
