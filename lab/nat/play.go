//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// brief are the kinds of a short run.
var brief = []string{"open", "fc", "pr", "sym", "prr", "fw6", "tcp", "lan"}

// choose returns kinds, without those of miniupnpd if that is not there.
func choose(short bool, only, miniupnpd string) (list []kind, err error) {
	names := strings.Split(only, ",")
	for _, k := range kinds {
		if miniupnpd == "" && strings.HasPrefix(k.mapped, "miniupnpd") {
			continue
		}
		if only == "" && (!short || slices.Contains(brief, k.name)) || slices.Contains(names, k.name) {
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("--only %q names no kind", only)
	}
	return list, nil
}

// play builds the lab, and lets every two peers meet, with each delay.
func play(chosen []kind, casts []string, trips []time.Duration, logs, miniupnpd string) error {
	if logs == "" {
		dir, err := os.MkdirTemp("", "natlab")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		logs = dir
	}
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return err
	}
	l, sites, err := build(chosen, miniupnpd)
	if err != nil {
		return err
	}
	failed := 0
	for _, trip := range trips {
		l.wire.delay.Store(int64(trip / 2))
		for _, cast := range casts {
			fmt.Printf("\n%s with %v there and back between hosts\n", cast, trip)
			n, err := l.round(chosen, sites, cast, trip, filepath.Join(logs, cast+trip.String()))
			if err != nil {
				return err
			}
			failed += n
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d pairs did not meet as they should", failed)
	}
	return nil
}

// build builds the lab, with two hosts at sites of each kind.
func build(chosen []kind, miniupnpd string) (*lab, map[string][]string, error) {
	l := &lab{miniupnpd: miniupnpd, wire: &wire{at: map[[6]byte]*port{}}}
	l.space("server", serverAt)
	l.batch("server", "addr add "+serverV6+"/64 dev wan nodad\n")
	l.space("proxy", proxyAt)
	sites := map[string][]string{}
	for _, k := range chosen {
		sites[k.name] = l.site(k)
		if k.twin == "" {
			sites[k.name] = append(sites[k.name], l.site(k)...)
		}
	}
	l.routes()
	return l, sites, l.err
}

// round starts a server and peers, and lets every two meet.
func (l *lab) round(chosen []kind, sites map[string][]string, parts string, trip time.Duration, logs string) (failed int, err error) {
	s, err := l.raise(chosen, sites, parts, logs)
	defer s.end()
	if err != nil {
		return 0, err
	}
	return meetAll(chosen, s.cast, parts, trip), nil
}
