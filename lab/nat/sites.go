//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// kind is a kind of site, and what its router does.
type kind struct {
	name   string
	says   string
	nat    string // rules of chains, see rules
	six    bool   // it has IPv6
	twin   string // what its second host stands in: nothing for a site of its own, lan or apart
	stage  int    // hops of NAT: 2 has a carrier's
	mapped string // how its gateway maps ports: pmp, pcp, upnp, miniupnpd with PCP or without, or nothing
}

// kinds are all kinds of sites.
var kinds = []kind{
	{name: "open", says: "a public host", six: true},
	{name: "fc", says: "full cone", nat: "cone"},
	{name: "ar", says: "address-restricted", nat: "cone restricted"},
	{name: "pr", says: "port-restricted", nat: "keep drop"},
	{name: "eimnp", says: "port-restricted, changes ports", nat: "change drop"},
	{name: "prr", says: "port-restricted, answers RST", nat: "keep reset"},
	{name: "sym", says: "symmetric", nat: "random drop"},
	{name: "cgn", says: "port-restricted behind a carrier's", nat: "keep drop", stage: 2},
	{name: "fw6", says: "symmetric, and IPv6 with a firewall", nat: "random drop", six: true},
	{name: "fwr6", says: "the same, answers RST", nat: "random reset", six: true},
	{name: "tcp", says: "only TCP to the server", nat: "server"},
	{name: "proxy", says: "only an HTTP proxy", nat: "proxy"},
	{name: "pmp", says: "symmetric, maps ports by NAT-PMP", nat: "random drop", mapped: "pmp"},
	{name: "pcp", says: "the same by PCP; the first mapping is dead", nat: "random drop", mapped: "pcp"},
	{name: "upnp", says: "the same by UPnP", nat: "random drop", mapped: "upnp"},
	{name: "mini", says: "the same by PCP of miniupnpd", nat: "random drop", mapped: "miniupnpd yes"},
	{name: "miniu", says: "the same by UPnP of miniupnpd", nat: "random drop", mapped: "miniupnpd no"},
	{name: "lan", says: "two hosts of one LAN", nat: "keep drop", twin: "lan"},
	{name: "hair", says: "two LANs behind one NAT with hairpin", nat: "cone hairpin", twin: "apart"},
	{name: "flat", says: "the same without hairpin", nat: "keep drop", twin: "apart"},
}

// The addresses of the lab's internet.
const (
	serverAt = "11.0.113.2"
	proxyAt  = "11.0.113.3"
	serverV6 = "2001:db8::2"
)

// lab builds namespaces. Faults are kept, and what follows one is not done.
type lab struct {
	wire      *wire
	sites     int
	miniupnpd string // the program, nothing if there is none
	six       []int  // numbers of sites that have IPv6
	err       error
}

// run runs a command, whose words are split at blanks.
func (l *lab) run(format string, args ...any) {
	if l.err != nil {
		return
	}
	words := strings.Fields(fmt.Sprintf(format, args...))
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		l.err = fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, out)
	}
}

// batch has ip do several things in a namespace.
func (l *lab) batch(namespace, script string) { l.feed(script, "ip", "-n", namespace, "-b", "-") }

// rules has nft load rules in a namespace.
func (l *lab) rules(namespace, script string) {
	l.feed(script, "ip", "netns", "exec", namespace, "nft", "-f", "-")
}

func (l *lab) feed(script string, words ...string) {
	if l.err != nil {
		return
	}
	c := exec.Command(words[0], words[1:]...)
	c.Stdin = strings.NewReader(script)
	if out, err := c.CombinedOutput(); err != nil {
		l.err = fmt.Errorf("%s: %w: %s: %s", strings.Join(words, " "), err, out, script)
	}
}

// space makes a namespace, plugged into the internet at an address if there is one.
func (l *lab) space(name, address string) {
	l.run("ip netns add %s", name)
	l.run("ip netns exec %s sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0", name)
	l.batch(name, "link set lo up\n")
	if address == "" || l.err != nil {
		return
	}
	if l.err = l.wire.plug(name); l.err == nil {
		l.batch(name, fmt.Sprintf("addr add %s/24 dev wan\nlink set wan up\n", address))
	}
}

// host makes a host of a router, on an interface of it, with the address 192.168.NET.N.
func (l *lab) host(router, device, name string, net, n int) {
	l.space(name, "")
	l.run("ip -n %s link add %s type veth peer name eth0 netns %s", router, device, name)
	l.batch(name, fmt.Sprintf("addr add 192.168.%d.%d/24 dev eth0\nlink set eth0 up\nroute add default via 192.168.%d.1\n", net, n, net))
	l.batch(router, fmt.Sprintf("link set %s up\n", device))
}

// site makes a site, and returns the namespaces of its hosts.
func (l *lab) site(k kind) []string {
	l.sites++
	i := l.sites
	router, host := fmt.Sprintf("r%d", i), fmt.Sprintf("h%d", i)
	at := l.at(host)
	if k.six {
		l.six = append(l.six, i)
	}
	if k.nat == "" {
		l.space(host, at)
		l.batch(host, fmt.Sprintf("addr add 2001:db8::%x/64 dev wan nodad\n", 0x100+i))
		return []string{host}
	}
	if k.stage == 2 {
		carrier := fmt.Sprintf("c%d", i)
		l.space(carrier, at)
		l.space(router, "")
		l.run("ip -n %s link add lan type veth peer name wan netns %s", carrier, router)
		l.batch(carrier, "addr add 100.64.0.1/24 dev lan\nlink set lan up\n")
		l.batch(router, "addr add 100.64.0.2/24 dev wan\nlink set wan up\nroute add default via 100.64.0.1\n")
		l.rules(carrier, rules(k.nat, at))
		at = "100.64.0.2"
	} else {
		l.space(router, at)
	}
	hosts := []string{host}
	l.host(router, "lan", host, 1, 2)
	switch k.twin {
	case "":
		l.batch(router, "addr add 192.168.1.1/24 dev lan\n")
	case "lan":
		l.batch(router, "link add lanbr type bridge\nlink set lanbr up\nlink set lan master lanbr\naddr add 192.168.1.1/24 dev lanbr\n")
		l.host(router, "lan2", host+"b", 1, 3)
		l.batch(router, "link set lan2 master lanbr\n")
		hosts = append(hosts, host+"b")
	case "apart":
		l.batch(router, "addr add 192.168.1.1/24 dev lan\n")
		l.host(router, "lan2", host+"b", 2, 2)
		l.batch(router, "addr add 192.168.2.1/24 dev lan2\n")
		hosts = append(hosts, host+"b")
	}
	l.rules(router, rules(k.nat, at))
	if k.six {
		l.batch(router, fmt.Sprintf("addr add 2001:db8::%x/64 dev wan nodad\naddr add 2001:db8:%x::1/64 dev lan nodad\n", 0x100+i, i))
		l.batch(host, fmt.Sprintf("addr add 2001:db8:%x::2/64 dev eth0 nodad\nroute add ::/0 via 2001:db8:%x::1\n", i, i))
	}
	return hosts
}

// at returns the outer address of the router of a host.
func (l *lab) at(host string) string {
	n, err := strconv.Atoi(host[1:])
	if err != nil {
		panic(err) // hosts are numbered
	}
	return fmt.Sprintf("11.0.113.%d", 10+n)
}

// routes tells all who have IPv6 where the networks of sites are.
func (l *lab) routes() {
	for _, from := range append([]int{0}, l.six...) {
		name := "server"
		if from > 0 {
			name = fmt.Sprintf("r%d", from)
		}
		if l.err == nil && exec.Command("ip", "netns", "exec", name, "true").Run() != nil {
			name = fmt.Sprintf("h%d", from) // a public host
		}
		for _, to := range l.six {
			if to != from {
				l.batch(name, fmt.Sprintf("route add 2001:db8:%x::/64 via 2001:db8::%x\n", to, 0x100+to))
			}
		}
	}
}

// rules returns the rules of a router whose address is at. They are made of words: how it
// maps (cone, keep, change, random), and whom it lets in.
func rules(words, at string) string {
	has := func(word string) bool { return strings.Contains(words, word) }
	var nat, forward, input string
	masquerade := "masquerade"
	switch {
	case has("change"):
		masquerade = "meta l4proto tcp masquerade to :20000-20999"
	case has("random"):
		masquerade = "masquerade random,fully-random"
	case has("cone"):
		masquerade = "update @eim { meta l4proto . th sport : ip saddr . th sport } update @met { ip daddr } masquerade"
	}
	if has("drop") || has("cone") {
		input = "policy drop;"
	}
	if has("reset") {
		forward = "iifname \"wan\" meta l4proto tcp reject with tcp reset\n"
	}
	let := ""
	switch {
	case has("server"):
		let = fmt.Sprintf("iifname \"lan*\" oifname \"wan\" ip daddr != %s drop\niifname \"lan*\" oifname \"wan\" tcp dport != 5671 drop\n", serverAt)
	case has("proxy"):
		let = fmt.Sprintf("iifname \"lan*\" oifname \"wan\" ip daddr != %s drop\n", proxyAt)
	}
	if has("restricted") {
		let += "iifname \"wan\" ct status dnat ip saddr != @met drop\n"
	}
	dnat, hairpin := "iifname \"wan\"", ""
	if has("hairpin") {
		dnat = "ip daddr " + at
		hairpin = "iifname \"lan*\" oifname \"lan*\" ct status dnat snat to " + at + "\n"
	}
	if has("cone") {
		nat = dnat + " dnat ip to meta l4proto . th dport map @eim\n"
	}
	return fmt.Sprintf(`
table ip nat {
	map eim { type inet_proto . inet_service : ipv4_addr . inet_service; flags dynamic; size 65535; }
	map mapped { type inet_service : ipv4_addr . inet_service; }
	set met { type ipv4_addr; flags dynamic; size 65535; }
	chain pre { type nat hook prerouting priority -100;
		%siifname "wan" dnat ip to tcp dport map @mapped
	}
	chain post { type nat hook postrouting priority 100;
		%soifname "wan" %s
	}
	chain forward { type filter hook forward priority 0; policy drop;
		%sct state established,related accept
		ct status dnat accept
		iifname "lan*" oifname "wan" accept
		iifname "lan*" oifname "lanbr" accept
		%s}
	chain input { type filter hook input priority 0; %s
		ct state established,related accept
		iifname "lan*" accept
		iifname "lo" accept
	}
}
table ip6 six {
	chain forward { type filter hook forward priority 0; policy drop;
		ct state established,related accept
		meta l4proto ipv6-icmp accept
		iifname "lan" accept
		%s}
}
`, nat, hairpin, masquerade, let, forward, input, forward)
}
