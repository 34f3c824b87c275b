package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// clockSlack is how far clocks may differ before it is worth a word.
const clockSlack = 2 * time.Second

// checkInterfaces judges the interfaces that a node uses.
func checkInterfaces(with *common) finding {
	interfaces, err := once.Interfaces()
	if err != nil {
		return finding{fail, "interfaces", err.Error(), "the system does not list its network interfaces: run as a user who may see them"}
	}
	return judgeInterfaces(with, interfaceRecords(interfaces))
}

func judgeInterfaces(with *common, interfaces []interfaceRecord) finding {
	named := with.config.Interfaces
	if len(named) > 0 {
		interfaces = slices.DeleteFunc(slices.Clone(interfaces), func(i interfaceRecord) bool {
			return !slices.Contains(named, i.Name) && !slices.Contains(named, i.Address)
		})
	}
	var remote []string
	announced := false
	for _, i := range interfaces {
		switch {
		case i.Loopback:
		case i.Broadcast != "":
			announced = true
			remote = append(remote, fmt.Sprintf("%s (%s)", i.Name, i.Address))
		default:
			remote = append(remote, fmt.Sprintf("%s (%s, without beacons)", i.Name, i.Address))
		}
	}
	switch found := strings.Join(remote, ", "); {
	case announced, len(remote) > 0 && with.gossips():
		return finding{fine, "interfaces", found, ""}
	case len(remote) > 0:
		return finding{warn, "interfaces", found, "nodes on other hosts are met there by gossip only: see --gossip-bind and --gossip-connect"}
	case len(interfaces) > 0 && len(named) > 0:
		return finding{fine, "interfaces", "loopback only, as " + with.typed("interface") + " says", ""}
	case len(named) > 0:
		return finding{fail, "interfaces", "none is up and has an address of those that " + with.typed("interface") + " names", "once interfaces lists those that are"}
	case len(interfaces) > 0:
		return finding{warn, "interfaces", "loopback only", "nodes of this host can meet, others not: plug in a cable, or join a wireless network"}
	}
	return finding{fail, "interfaces", "none is up and has an address", "bring one up: ip link set lo up is the least"}
}

// copied is what to do where two nodes have one identity.
const copied = "the identity's directory was copied: stop one of the two, and make an identity for it with once identity new DIR; if somebody has stolen it, whoever has the network revokes it (once revoke)"

// wayIn is what to do about a refusal, if the two should talk.
func wayIn(e *once.Refusal) string {
	switch {
	case e.Why == once.WhyRevoked && e.Ours:
		return "if that is right, there is nothing to do; else invite it anew (once invite)"
	case e.Why == once.WhyRevoked:
		return "ask who has the network whether that is right; if it is not, for another invite (once join)"
	case e.Why == once.WhyMoved:
		return "once network move --help says what to do with who followed the wrong key"
	case e.Why == once.WhyMember && !e.Ours:
		return "if this node should come in: ask who has its network for an invite (once join)"
	case e.Why == once.WhySecurity, e.Why == once.WhyMember:
		return "if it should come in: start both with the same --security, and where members meet, invite it (once invite)"
	case e.Ours:
		return "if it should come in: run once doctor there"
	}
	return "if this node should come in: run once doctor there, which may say more"
}

// checkLives tells whether others are there with one identity: who started earlier
// greets as well, and is turned away.
func checkLives(replaced []string, counts map[string]uint64) []finding {
	const advice = "unless one has just been started again, " + copied
	switch {
	case len(replaced) > 0:
		return []finding{{fail, "twin", "two nodes have one identity: " + strings.Join(replaced, ", "), advice}}
	case counts["stale greetings"] > 0:
		return []finding{{fail, "twin", "two nodes have one identity: one greets that started before another who has it", advice}}
	}
	return nil
}

// refusal explains why a node does not start.
func refusal(err error) finding {
	advice := "see what once doctor --help tells of the flag that it is about"
	switch {
	case errors.As(err, new(*fs.PathError)), errors.As(err, new(*os.LinkError)):
		advice = "this user needs to read and write the directory of --identity: choose another, or change whose it is with chown"
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "a program holds the port and does not share it: end it (ss -ulpn and ss -tlpn tell which), or choose another with --port or --endpoint"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "no interface has the address: once interfaces lists those there are; with --endpoint tcp://*:PORT it may come later"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		advice = forbidden(err)
	}
	return finding{fail, "node", err.Error(), advice}
}

// privileged is the first port that needs no privilege, unless the system says otherwise.
const privileged = 1024

// forbidden tells what to do about what the system does not permit.
func forbidden(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "listen" {
		return "the system does not permit it to this user: a sandbox or a policy may be in the way (SELinux, AppArmor, a container's rules)"
	}
	_, port, _ := net.SplitHostPort(fmt.Sprint(op.Addr))
	if number, _ := strconv.Atoi(port); 0 < number && number < privileged {
		return "this user may not use the port: choose one above 1023 with --port or --endpoint"
	}
	return "the system does not let this user listen, on whatever port: a sandbox or a policy may be in the way (SELinux, AppArmor, a container's rules)"
}

// checkConnections connects to where the node accepts connections.
func checkConnections(ctx context.Context, endpoint string) finding {
	address := strings.TrimPrefix(keyless(endpoint), "tcp://")
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().IsUnspecified() {
		return finding{fail, "tcp", "the node has no address: no interface that it uses is up", "bring one up, or name one that is (once interfaces)"}
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return finding{fail, "tcp", err.Error(), "let the firewall pass TCP to this host; --endpoint tcp://*:5671 gives it one port to open"}
	}
	_ = conn.Close() // it has served its purpose
	return finding{fine, "tcp", "accepts connections at " + keyless(endpoint), ""}
}

// checkIdentity judges who the node is, by an identity or, if that is nil, anew each
// time.
func checkIdentity(who *once.Identity, id uuid.UUID, now time.Time) finding {
	found := id.String()
	switch {
	case who == nil:
		return finding{fine, "identity", found + ", made for this time only", ""}
	case who.Network() == "":
		return finding{fine, "identity", found + " in " + who.Directory() + ", a member of no network", ""}
	}
	found += fmt.Sprintf(" in %s, as %s a member of %s until %s",
		who.Directory(), who.MemberName(), who.Network(), who.MemberUntil().Format(time.DateTime))
	return judge(now.Before(who.MemberUntil()), "identity", found, fail, found+", which is over", renewal)
}

// checkSecurity tells how the node protects what it says. Only a secure node's
// endpoint has a key.
func checkSecurity(with *common, endpoint string) finding {
	found := "auto: content is sealed between nodes that have an identity, else plain"
	switch {
	case with.config.Security == once.SecurityPlain:
		found = "plain: whoever is on the network can read and change what is said"
	case endpoint != keyless(endpoint):
		found = "secure: all connections are encrypted; plain nodes do not come in"
	}
	return finding{fine, "security", found, ""}
}

// checkBeacons judges what was heard. The names are those of once.Node.Counts.
func checkBeacons(with *common, counts map[string]uint64) []finding {
	switch sent := counts["beacons sent"]; {
	case with.beacons() && sent > 0:
	case with.beacons():
		return []finding{{fail, "beacons", "none could be sent", "an interface is needed that is up and can broadcast (once interfaces); elsewhere nodes meet by gossip"}}
	case with.port == 0 && !with.gossips():
		return []finding{{warn, "beacons", "none are sent: --port is 0", "without beacons, nodes must be told of each other"}}
	default:
		return []finding{{fine, "beacons", "none are sent: gossip replaces them", ""}}
	}
	findings := []finding{judgeBeacons(counts, fmt.Sprintf("on UDP port %d", with.port), fmt.Sprintf("UDP port %d", with.port))}
	if elsewhere := counts["beacons from other networks"]; elsewhere > 0 && len(with.config.Interfaces) == 0 {
		findings = append(findings, finding{warn, "addresses", fmt.Sprintf("%d beacons from addresses outside this host's networks", elsewhere),
			"the hosts share a wire but not a network: compare their addresses and netmasks with once interfaces"})
	}
	return findings
}

// judgeBeacons judges what was heard of those that a node sends somewhere, through a port.
func judgeBeacons(counts map[string]uint64, where, port string) finding {
	return judge(counts["own beacons heard"] > 0, "beacons", fmt.Sprintf("sent and heard back %s; %d heard of others", where, counts["beacons heard"]),
		fail, "sent, but not heard back "+where, "let the firewall pass "+port+", in and out (nft list ruleset shows what it drops)")
}

// checkServers judges what a node uses to find others with by gossip: where it takes it, and
// each server, as once.Node.GossipServers has them.
func checkServers(with *common, servers map[string]string) (findings []finding) {
	if bound := with.config.GossipBind; bound != "" {
		findings = append(findings, finding{fine, "gossip", "taken at " + bound, ""})
	}
	for _, server := range slices.Sorted(maps.Keys(servers)) {
		findings = append(findings, judge(servers[server] == "", "gossip", server+" is alive", fail, server+" is dead: "+servers[server],
			"start a node there with --gossip-bind tcp://*:PORT, which is not the port of its --endpoint; let the firewalls on the way pass its TCP port; or leave the server out"))
	}
	return findings
}

// checkPeers judges who is there at a time, and how many more servers tell of.
func checkPeers(peers []once.Peer, known int, now time.Time) []finding {
	var names, twice, ahead []string
	for _, p := range peers {
		if slices.Contains(names, p.Name()) && !slices.Contains(twice, p.Name()) {
			twice = append(twice, p.Name())
		}
		names = append(names, p.Name())
		if started := time.Unix(0, int64(p.Incarnation())); started.Sub(now) > clockSlack {
			ahead = append(ahead, fmt.Sprintf("%s (%v)", p.Name(), started.Sub(now).Round(time.Second)))
		}
	}
	there := fmt.Sprintf("%d: %s", len(peers), strings.Join(names, ", "))
	if known > 0 {
		there = fmt.Sprintf("%d here; servers tell of %d more, whom nothing was said to yet", len(peers), known)
	}
	return []finding{
		judge(len(peers)+known > 0, "peers", there,
			warn, "nobody else is here", "run once chat --group room on another host, and once doctor there if it stays so"),
		judge(len(twice) == 0, "names", "no two peers have the same", warn, "several peers are named "+strings.Join(twice, ", "),
			"tell them apart by id, or start them with another --name"),
		judge(len(ahead) == 0, "clock", "no peer's is ahead of ours", warn, "peers have started in the future: "+strings.Join(ahead, ", "),
			"a clock is wrong, here or there: a peer whose clock is set back may be taken for its older self when it restarts; use NTP"),
	}
}
