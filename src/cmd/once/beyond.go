package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// checkBeyond judges the rendezvous servers that a node stays with, each with what is wrong
// with it, and how they see the node: see once.Node.Beyond.
func checkBeyond(servers, facts map[string]string) (findings []finding) {
	if len(servers) == 0 {
		return nil
	}
	relays := false
	var seen []string
	for _, address := range slices.Sorted(maps.Keys(servers)) {
		name := hostsOf(address)
		switch trouble := servers[address]; {
		case trouble == "":
		case facts["refused "+address] != "":
			findings = append(findings, finding{fail, "server", name + " does not let this node in: " + trouble, "ask who runs it; who was a member becomes one again by another invite (once invite NAME --again)"})
			continue
		default:
			findings = append(findings, finding{fail, "server", name + " does not answer: " + trouble,
				"see whether it runs there (once server status), whether its TCP port is open, whether the address is as once server prints it, and whether a proxy is needed: an address with &wss= goes through those"})
			continue
		}
		found := fmt.Sprintf("%s answers in %s, and sees this node at %s", name, facts["trip "+address], facts["observed "+address])
		findings = append(findings, finding{fine, "server", found, ""})
		relays = relays || facts["relays "+address] == "true"
		seen = append(seen, facts["observed "+address])
		if ahead, err := time.ParseDuration(facts["clock "+address]); err == nil && ahead.Abs() > clockSlack {
			findings = append(findings, finding{warn, "clock", fmt.Sprintf("this host's clock is %v from that of %s", ahead.Abs(), name),
				"use NTP on both; nodes meet all the same, for records are dated by the server's clock"})
		}
	}
	if len(seen) == 0 {
		return findings
	}
	findings = append(findings, judgeNAT(seen, ownAddresses(), facts["mapped"]))
	return append(findings, judge(relays, "relay", "a server lends circuits while there is no direct way",
		warn, "no server lends circuits", "where there is no direct way, nodes do not meet: start a server with --relay yes"))
}

// ownAddresses are those of this host.
func ownAddresses() (list []netip.Addr) {
	interfaces, err := once.Interfaces()
	for _, i := range interfaces {
		if at, fault := netip.ParseAddr(i.Address()); fault == nil && err == nil {
			list = append(list, at.WithZone(""))
		}
	}
	return list
}

// judgeNAT tells what lies between a host that has some addresses and servers that see it
// each somewhere.
func judgeNAT(seen []string, own []netip.Addr, mapped string) finding {
	slices.Sort(seen)
	places := slices.Compact(slices.Clone(seen))
	at, err := netip.ParseAddrPort(places[0])
	switch {
	case err == nil && slices.Contains(own, at.Addr().Unmap()):
		return finding{fine, "nat", "none: this host is seen at an address of its own", ""}
	case mapped != "":
		return finding{fine, "nat", "a gateway has this node reached at " + mapped, ""}
	case len(seen) == 1:
		return finding{warn, "nat", "there is one; what it does is not known", "give a second --server, elsewhere: two see whether it shows them the same port"}
	case len(places) == 1:
		return finding{fine, "nat", "there is one, which shows all the same port: direct ways can be found to most others", ""}
	}
	return finding{warn, "nat", "there is one that shows each server another port", "direct ways are found only to hosts without such a NAT: let the gateway map ports (UPnP, NAT-PMP or PCP), or have a server lend circuits"}
}

// examinePeer tells how a peer is reached. It looks for a direct way for some time.
func examinePeer(ctx context.Context, with *common, who string, groups []string, wait time.Duration, asJSON bool) error {
	with.brief = true
	node, err := with.start(ctx, os.Stderr, groups...)
	if err != nil {
		return err
	}
	defer node.Close()
	until := time.Now().Add(wait)
	id, err := seek(ctx, node, who, wait)
	if err != nil {
		return err
	}
	direct := func() bool {
		p, err := node.Peer(id)
		return err == nil && p.Way() != once.WayRelayed
	}
	took, err := reach(ctx, node, id, until)
	for !direct() && time.Now().Before(until) {
		if fault := await(ctx, node, glance, direct, warnOf); fault != nil && (ctx.Err() != nil || !errors.Is(fault, context.DeadlineExceeded)) {
			return because(ctx, node, fault)
		}
		took, err = reach(ctx, node, id, until)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	findings := []finding{{fail, "peer", id.String() + " is not reached", "the lines below say what was tried, if anything was; run once doctor here, and there"}}
	if p, gone := node.Peer(id); err == nil && gone == nil {
		found := fmt.Sprintf("%s (%v) answers by way of %v in %v, %v", p.Name(), id, p.Way(), took.Round(10*time.Microsecond), p.Protection())
		findings[0] = judge(p.Way() != once.WayRelayed, "peer", found, warn, found, "no direct way stands so far; the lines below say what was tried; once doctor, here and there, says what a NAT does")
	}
	for _, line := range node.Tried(id) {
		findings = append(findings, finding{fine, "tried", line, ""})
	}
	for _, f := range findings {
		if err := f.print(os.Stdout, asJSON); err != nil {
			return err
		}
	}
	if findings[0].Status == fail {
		return errUnwell
	}
	return nil
}

// reach asks a peer for a sign of life until some time, and once in any case.
func reach(ctx context.Context, node *once.Node, id uuid.UUID, until time.Time) (took time.Duration, err error) {
	within, cancel := context.WithDeadline(ctx, later(until, time.Now().Add(time.Second)))
	defer cancel()
	return node.Ping(within, id)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
