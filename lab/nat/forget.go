//go:build linux

package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Words that two say to each other around the moment when a NAT forgets, and the time that
// they have been there before: a peer may be away for no longer than it was there.
const (
	forgetWords = 600
	forgetAfter = 12 * time.Second
)

// untracked has what belongs to no mapping end at the routers, and makes none there.
func untracked(l *lab, sites map[string][]string) {
	for _, space := range sites["pr"] {
		router := "r" + space[1:]
		l.run("ip netns exec %s sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0", router)
		l.rules(router, "insert rule ip nat forward ct state invalid drop\n")
	}
}

// forgets has two nodes behind NATs talk over a direct link, of which one NAT or both forget
// all that they have mapped: while they talk, and while they are silent. Nothing is to be lost
// or to come twice, and nobody to be gone.
func forgets(logs string) error {
	_, s, over, err := raiseNodes("pr", logs, untracked)
	defer over()
	if err != nil {
		return err
	}
	ana, ben := s.cast["pr"][0], s.cast["pr"][1]
	if err := meetDirectly(ana, ben); err != nil {
		return err
	}
	time.Sleep(forgetAfter)
	for _, c := range []struct {
		what    string
		routers []*actor
		silent  bool
	}{
		{"a NAT forgets while both talk", []*actor{ana}, false},
		{"both NATs forget while both talk", []*actor{ana, ben}, false},
		{"a NAT forgets while both are silent", []*actor{ben}, true},
	} {
		if err := talkOver(c.what, ana, ben, c.silent, func() error {
			for _, a := range c.routers {
				if err := flush("r" + a.space[1:]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
	}
	return nil
}

// meetDirectly has two find a direct way.
func meetDirectly(ana, ben *actor) error {
	if _, ok := ana.await(patience, func(r report) bool { return r.What == "knows" && r.Peer == ben.id }); !ok {
		return errors.New("the one is not told of the other")
	}
	if err := json.NewEncoder(ana.input).Encode(order{Reach: ben.id}); err != nil {
		return err
	}
	for _, side := range [][2]*actor{{ana, ben}, {ben, ana}} {
		if _, ok := side[0].await(patience, func(r report) bool {
			return r.What == "found" && r.Peer == side[1].id && r.Rung == "direct"
		}); !ok {
			return errors.New("they find no direct way")
		}
	}
	return nil
}

// talkOver has both speak to each other while, or after, something happens, and looks at what
// they hear.
func talkOver(what string, ana, ben *actor, silent bool, happens func() error) error {
	from := [2]int{ana.count(), ben.count()}
	if silent {
		if err := happens(); err != nil {
			return err
		}
	}
	for _, side := range [][2]*actor{{ana, ben}, {ben, ana}} {
		if err := json.NewEncoder(side[0].input).Encode(order{Reach: side[1].id, Times: forgetWords}); err != nil {
			return err
		}
	}
	began := time.Now()
	if !silent {
		time.Sleep(forgetWords * pace / 3)
		if err := happens(); err != nil {
			return err
		}
	}
	for i, side := range [][2]*actor{{ana, ben}, {ben, ana}} {
		silence, way, err := side[0].hears(side[1], from[i], began)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %s hears nothing for %v, and then all, in order, at last by way of %s\n", what, side[0].space, silence.Round(time.Millisecond), way)
	}
	return nil
}

// count returns how much a peer has reported.
func (a *actor) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.reports)
}

// hears waits until a peer has heard all words of another, by reports from one on, and
// returns the longest time for which it has heard none since they began, and the way of the
// last one.
func (a *actor) hears(other *actor, from int, began time.Time) (silence time.Duration, way string, err error) {
	for limit, next := time.Now().Add(patience+forgetWords*pace), 0; ; {
		news := a.next()
		a.mu.Lock()
		reports := a.reports[from:]
		from += len(reports)
		a.mu.Unlock()
		for _, r := range reports {
			switch {
			case r.What == "exit" || r.What == "fault":
				return 0, "", fmt.Errorf("%s reports %s: %s", a.space, r.What, r.Text)
			case r.What != "message" || r.Peer != other.id:
			case r.Text != strconv.Itoa(next):
				return 0, "", fmt.Errorf("%s hears word %s, and %d is next", a.space, r.Text, next)
			default:
				silence, began, way = max(silence, r.Time.Sub(began)), r.Time, r.Rung
				next++
			}
		}
		if next == forgetWords {
			return silence, way, nil
		}
		select {
		case <-news:
		case <-time.After(time.Until(limit)):
			return 0, "", fmt.Errorf("%s has heard %d of %d words", a.space, next, forgetWords)
		}
	}
}

// flush has a router forget all connections that it has seen: what conntrack -F does.
func flush(namespace string) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with this
		var at, fd int
		if at, err = unix.Open("/run/netns/"+namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(at)
		if err = unix.Setns(at, unix.CLONE_NEWNET); err != nil {
			return
		}
		if fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER); err != nil {
			return
		}
		defer unix.Close(fd)
		err = forgetAll(fd)
	}()
	<-done
	if err != nil {
		err = fmt.Errorf("%s does not forget: %w", namespace, err)
	}
	return err
}

// forgetAll says so over a socket to the kernel's netfilter.
func forgetAll(fd int) error {
	const deletes = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE, of all if it names none
	ask := binary.NativeEndian.AppendUint32(nil, unix.NLMSG_HDRLEN+4)
	ask = binary.NativeEndian.AppendUint16(ask, deletes)
	ask = binary.NativeEndian.AppendUint16(ask, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	ask = append(ask, make([]byte, 8)...) // number, and who asks
	ask = append(ask, unix.AF_INET, unix.NFNETLINK_V0, 0, 0)
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	switch {
	case err != nil:
		return err
	case n < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR:
		return errors.New("the kernel does not say whether it is done")
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.NLMSG_HDRLEN:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
