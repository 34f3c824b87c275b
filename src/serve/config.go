// Package serve runs a rendezvous server as a program does: with files, listeners, limits
// that change while it runs, and what tells how it goes.
//
// Programs import bindings/go/once: what is here may change at any time.
package serve

import (
	"bufio"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/relay"
	"github.com/sjohnr/at-once/src/rendezvous/server"
	"github.com/sjohnr/at-once/src/z85"
)

// Config is how a server is to be.
type Config struct {
	Directory string       // of its identity; empty for one in memory
	Logger    *slog.Logger // takes the server's log; nil is nobody
	values    map[string][]string
}

// checks are of the values of options, by their types.
var checks = map[string]func(value string) error{
	"listen": link.CheckListen, "host": isHost, "access": isAccess, "number": isNumber, "choice": isBool, "time": isTime,
	"text": func(string) error { return nil }, "prefix": isPrefix, "address": isAddress,
}

func isNumber(text string) error {
	if _, err := strconv.ParseUint(text, 10, 31); err != nil {
		return errors.New("give a number from 0 to 2147483647")
	}
	return nil
}

func isBool(text string) error {
	if text != "yes" && text != "no" {
		return errors.New("give yes or no")
	}
	return nil
}

func isTime(text string) error {
	if d, err := time.ParseDuration(text); err != nil || d < 0 {
		return errors.New("give a time, such as 30s or 5m")
	}
	return nil
}

func isHost(text string) error {
	_, err := rendezvous.ParseAddress("once://" + text + "/?key=" + identity.Base64(append(make([]byte, 31), 1)))
	if err != nil {
		return errors.New("give HOST or HOST:PORT")
	}
	return nil
}

func isAddress(text string) error {
	_, err := rendezvous.ParseAddress(text)
	return err
}

func isPrefix(text string) error {
	_, err := prefixOf(text)
	return err
}

func isAccess(text string) error {
	what, value, _ := strings.Cut(text, "=")
	switch {
	case text == "open", what == "allow" && value != "":
		return nil
	case what == "members":
		key, err := z85.Key(value)
		if err == nil && key != [32]byte{} {
			return nil
		}
		return errors.New("members= takes the network's public key, as once network show tells it")
	}
	return errors.New("give open, members=NETWORK-KEY or allow=FILE")
}

func prefixOf(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, errors.New("give an IP address, or a network as 10.0.0.0/8")
	}
	return p, nil
}

// SettingError says which setting is wrong, and why.
type SettingError struct{ Name, Value, Reason string }

func (e *SettingError) Error() string { return fmt.Sprintf("%s %.80q: %s", e.Name, e.Value, e.Reason) }

// Unwrap returns the error of arguments.
func (e *SettingError) Unwrap() error { return api.ErrArgument }

// optionOf returns an option of the model, nil if there is none of the name.
func optionOf(name string) *api.ServerOption {
	i := slices.IndexFunc(api.ServerOptions, func(o api.ServerOption) bool { return o.Name == name })
	if i < 0 {
		return nil
	}
	return &api.ServerOptions[i]
}

// Set gives a setting a value; one that may be given several times, another.
func (c *Config) Set(name, value string) error {
	option := optionOf(name)
	if option == nil {
		return &SettingError{name, value, "there is no such setting"}
	}
	values := []string{value}
	if option.Many {
		values = strings.Split(value, ",")
	}
	for _, value := range values {
		if err := checks[option.Type](value); err != nil {
			return &SettingError{name, value, err.Error()}
		}
	}
	if c.values == nil {
		c.values = map[string][]string{}
	}
	if option.Many {
		values = append(slices.Clone(c.values[name]), values...)
	}
	c.values[name] = values
	return nil
}

// Read takes settings from a file that are not given yet: a line is NAME = VALUE, or a
// comment that begins with #.
func (c *Config) Read(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	given := c.clone()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !found {
			return fmt.Errorf("%s, line %d: want NAME = VALUE", file, n)
		}
		if given.values[name] != nil {
			continue
		}
		if err := c.Set(name, strings.TrimSpace(value)); err != nil {
			return fmt.Errorf("%s, line %d: %w", file, n, err)
		}
	}
	return lines.Err()
}

// whole fails if something is given that means nothing without what is not.
func (c *Config) whole() error {
	for _, option := range api.ServerOptions {
		if values := c.values[option.Name]; values != nil && option.With != "" && c.values[option.With] == nil {
			return &SettingError{option.Name, strings.Join(values, ","), "it means nothing without " + option.With}
		}
	}
	return nil
}

func (c *Config) clone() *Config {
	other := *c
	other.values = map[string][]string{}
	for name, values := range c.values {
		other.values[name] = slices.Clone(values)
	}
	return &other
}

// list returns the values of a setting, or its default.
func (c *Config) list(name string) []string {
	if values := c.values[name]; values != nil {
		return values
	}
	if option := optionOf(name); option.Default != "" {
		return []string{option.Default}
	}
	return nil
}

func (c *Config) text(name string) string {
	if list := c.list(name); list != nil {
		return list[len(list)-1]
	}
	return ""
}

// number and duration return what was checked when it was set.
func (c *Config) number(name string) int {
	n, _ := strconv.Atoi(c.text(name))
	return n
}

func (c *Config) duration(name string) time.Duration {
	d, _ := time.ParseDuration(c.text(name))
	return d
}

// policy returns whom the server lets in, and what each may have.
func (c *Config) policy() (p server.Policy, err error) {
	p = server.Policy{
		MaxPeers: c.number("max-peers"), AcceptRate: float64(c.number("accept-rate")), Burst: float64(c.number("accept-burst")),
		PerAddress: c.number("per-address"), Requests: float64(c.number("requests")), Relays: c.text("relay") == "yes",
		Circuits: relay.Limits{
			Circuits: c.number("relay-circuits"), PerID: c.number("relay-per-node"), PerAddress: c.number("relay-per-address"),
			Rate: c.number("relay-rate"), TotalRate: c.number("relay-total"), Idle: c.duration("relay-idle"),
		},
	}
	for _, access := range c.list("access") {
		what, value, _ := strings.Cut(access, "=")
		switch what {
		case "members":
			key, err := z85.Key(value)
			if err != nil {
				return p, err
			}
			p.Members = append(p.Members, ed25519.PublicKey(key[:]))
		case "allow":
			if p.Allow, err = allowed(value); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// allowed returns the ids that the lines of a file begin with.
func allowed(file string) (map[uuid.UUID]bool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	ids := map[uuid.UUID]bool{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		id, err := uuid.Parse(words[0])
		if err != nil || !identity.Owned(id) {
			return nil, fmt.Errorf("%s, line %d: %.40q is no id of an identity, as once identity show tells it", file, n, words[0])
		}
		ids[id] = true
	}
	return ids, nil
}

// hosts returns by which hosts nodes are to reach the server: those that were said to be, or
// where it listens, or where this host is on its networks.
func (c *Config) hosts(listens []net.Addr) (hosts []string) {
	hosts = append(hosts, c.list("external")...)
	for _, addr := range listens {
		at, err := netip.ParseAddrPort(addr.String())
		if err != nil || len(c.list("external")) > 0 {
			continue
		}
		if !at.Addr().IsUnspecified() {
			hosts = append(hosts, at.String())
			continue
		}
		interfaces, _ := net.InterfaceAddrs() // without any there is loopback
		for _, a := range interfaces {
			ip, err := netip.ParsePrefix(a.String())
			if err == nil && ip.Addr().IsGlobalUnicast() {
				hosts = append(hosts, netip.AddrPortFrom(ip.Addr(), at.Port()).String())
			}
		}
		if len(hosts) == 0 {
			hosts = []string{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()}
		}
	}
	return hosts
}
