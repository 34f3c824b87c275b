//go:build linux

package main

import (
	"slices"
	"strings"
)

// want is how a pair of sites is to meet at best: by one of some rungs.
type want []string

var (
	relayed = want{"relayed"}
	direct  = want{"direct"}
	ipv6    = want{"ipv6"}
	onLAN   = want{"lan"}
	either  = want{"ipv6", "direct", "relayed"}
)

// wanted returns what two sites make possible. Slow says that there is latency.
func wanted(a, b kind, slow bool) want {
	is := func(test func(kind) bool) (one, both bool) { return test(a) || test(b), test(a) && test(b) }
	named := func(names ...string) func(kind) bool {
		return func(k kind) bool { return slices.Contains(names, k.name) }
	}
	shut, _ := is(func(k kind) bool { return k.nat == "server" || k.nat == "proxy" })
	_, six := is(func(k kind) bool { return k.six })
	easy, _ := is(func(k kind) bool { return k.nat == "" || k.mapped != "" || k.name == "fc" || k.name == "hair" })
	random, allRandom := is(func(k kind) bool { return strings.HasPrefix(k.nat, "random") })
	loose, _ := is(named("ar"))
	_, resets := is(func(k kind) bool { return strings.Contains(k.nat, "reset") })
	switch {
	case shut:
		return relayed
	case six && easy:
		return want{"ipv6", "direct"}
	case six && resets && !slow:
		return either // by chance
	case six:
		return ipv6
	case easy:
		return direct
	case random && (!loose || allRandom):
		return relayed
	case resets && !slow:
		return either // by chance
	}
	return direct
}

// ways returns what the library tells of the rungs.
func ways(rungs want) (list want) {
	for _, rung := range rungs {
		if rung == "ipv6" {
			rung = "direct"
		}
		list = append(list, rung)
	}
	return list
}

// wantedInside returns what two hosts of one site make possible.
func wantedInside(k kind) want {
	switch {
	case k.twin == "lan":
		return onLAN
	case strings.Contains(k.nat, "hairpin"):
		return direct
	}
	return relayed
}
