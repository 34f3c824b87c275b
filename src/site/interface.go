package site

import "github.com/sjohnr/at-once/src/beacon"

// Interface is a network that the host is part of.
type Interface struct{ beacon.Interface }

func (i *Interface) Name() string    { return i.Interface.Name }
func (i *Interface) Address() string { return i.Local().String() }
func (i *Interface) Network() string { return i.Addr.Masked().String() }
func (i *Interface) Loopback() bool  { return i.Interface.Loopback }

// Broadcast returns where beacons go, or an empty string if none do.
func (i *Interface) Broadcast() string {
	if !i.Interface.Broadcast.IsValid() {
		return ""
	}
	return i.Interface.Broadcast.String()
}

// Interfaces returns the networks that a node can use.
func Interfaces() ([]*Interface, error) {
	interfaces, err := beacon.Interfaces()
	if err != nil {
		return nil, err
	}
	list := make([]*Interface, len(interfaces))
	for n, i := range interfaces {
		list[n] = &Interface{i}
	}
	return list, nil
}
