package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// spreading is how a network's roll is brought to its members.
type spreading struct {
	wait    time.Duration
	offline bool
	asJSON  bool
	astray  bool // a member has followed another move of the network's old key
}

// register registers the flags of a command that changes a network.
func (s *spreading) register(with *common, flags *pflag.FlagSet) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	with.register(all)
	for _, name := range []string{"identity", "interface", "port", "gossip-connect", "log-level"} {
		flags.AddFlag(all.Lookup(name)) // for the others the node that brings it has no use
	}
	waitFlag(flags, &s.wait, 10*time.Second, "how long to wait until all members have it")
	flags.BoolVar(&s.offline, "offline", false, "tell nobody: the members hear of it with the next change, or by once network spread")
}

// spreadRecord is who has a network's roll, as JSON.
type spreadRecord struct {
	Number int      `json:"members"` // how many there are
	Have   []string `json:"have"`    // names of those that have said that they have it
	Lack   []string `json:"lack"`
	astray bool     // some of those have followed another move of the network's old key
}

// maxRounds is how often a roll is made anew because members know more.
const maxRounds = 3

// spread brings the network's roll to the members, and takes in what they know and the
// network does not. Those with an invite that was not taken yet count only if all do.
func (s *spreading) spread(ctx context.Context, with *common, network *once.NetworkKey, all bool) (who spreadRecord, err error) {
	for range maxRounds {
		roll, err := network.Roll()
		if err != nil {
			return who, err
		}
		records, err := recordsOf(network)
		if err != nil {
			return who, err
		}
		names := map[string]string{}
		for _, r := range records {
			if r.State == "member" || all && r.State == "invited" {
				names[r.ID] = r.Name
			}
		}
		if len(names) == 0 {
			return who, nil
		}
		holders, rolls, err := s.meet(ctx, with, network, roll, names)
		if err != nil {
			return who, err
		}
		if who, err = taken(network, names, holders); err != nil {
			return who, err
		}
		who.astray = s.astray
		for _, other := range rolls {
			if other != roll {
				err = cmp.Or(err, network.Adopt(other))
			}
		}
		if now, fault := network.Roll(); err != nil || fault != nil || now == roll {
			return who, cmp.Or(err, fault)
		}
		fmt.Fprintln(os.Stderr, "once: members knew of a change that this directory did not: it is taken in")
	}
	return who, fmt.Errorf("the network is changed elsewhere at the same time: try again")
}

// meet runs a node until the members with some ids have a roll, and returns which have, and
// what rolls it came across. It tells of those that have gone astray.
func (s *spreading) meet(ctx context.Context, with *common, network *once.NetworkKey, roll string, members map[string]string) (holders, rolls []string, err error) {
	node, err := messenger(ctx, with, network)
	if err != nil {
		return nil, nil, err
	}
	defer node.Close()
	waiting, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	if holders, err = node.Spread(waiting, roll, len(members)); err == nil {
		rolls = node.Rolls()
	}
	_ = node.Close()
	for event := range node.Events(context.Background()) { // which ends, as the node has
		if e, ok := event.(*once.Refusal); ok && e.Why == once.WhyMoved && members[e.Peer.UUID().String()] != "" {
			s.astray = true
			_ = warnOf(e)
		}
	}
	return holders, rolls, cmp.Or(err, ctx.Err())
}

// taken notes which members were met, and returns who has a roll and who lacks it.
func taken(network *once.NetworkKey, names map[string]string, holders []string) (who spreadRecord, err error) {
	who = spreadRecord{Number: len(names)}
	for _, id := range holders {
		if name := names[id]; name != "" {
			who.Have = append(who.Have, name)
			delete(names, id)
		}
		met, fault := uuid.Parse(id)
		err = cmp.Or(err, fault, network.Taken(met))
	}
	for _, name := range names {
		who.Lack = append(who.Lack, name)
	}
	slices.Sort(who.Have)
	slices.Sort(who.Lack)
	return who, err
}

// report spreads a change and tells who has it. That nobody has it is an error.
func (s *spreading) report(ctx context.Context, with *common, network *once.NetworkKey) error {
	if s.offline {
		advise("nobody was told: once network spread does it")
		return nil
	}
	who, err := s.spread(ctx, with, network, true)
	if err != nil {
		return err
	}
	if s.asJSON {
		err = writeJSON(os.Stdout, who)
	} else {
		_, err = fmt.Println(who)
	}
	switch {
	case err != nil:
	case who.astray:
		err = fmt.Errorf("somebody else has the network's old key, and moved it first for those who refuse: once network move --help says what to do")
	case who.Number > 0 && len(who.Have) == 0:
		err = fmt.Errorf("no member was met, so nobody knows of it yet: try once network spread where members are")
	}
	return err
}

// String tells who has a roll, for people.
func (r spreadRecord) String() string {
	if r.Number == 0 {
		return "there are no members to tell"
	}
	text := fmt.Sprintf("%d of %d members have it", len(r.Have), r.Number)
	if len(r.Have) > 0 {
		text += ": " + clean(strings.Join(r.Have, ", "))
	}
	if len(r.Lack) > 0 {
		text += "; not yet: " + clean(strings.Join(r.Lack, ", "))
		if !r.astray {
			text += ", who take it from the first of the others that they meet"
		}
	}
	return text
}

// messenger starts a node that is a member of a network, or shares the one that runs: who
// the user is, if that is a member, else one that is so for an hour.
func messenger(ctx context.Context, with *common, network *once.NetworkKey) (*once.Node, error) {
	node := *with
	node.brief, node.config.Servers = true, nil // it goes by those of the network
	who, err := load("identity", once.LoadIdentity, with.identity)
	if err != nil || who.Network() != network.PublicKey() || who.Revoked() {
		who, err = network.Courier()
	} else {
		who, err = network.Inform(who.Directory())
	}
	if node.as = who; err != nil {
		return nil, err
	}
	started, err := node.start(ctx, os.Stderr)
	if errors.Is(err, once.ErrInUse) { // by a node that will hear of it as others do
		if node.as, err = network.Courier(); err == nil {
			started, err = node.start(ctx, os.Stderr)
		}
	}
	return started, err
}

func networkFlag(flags *pflag.FlagSet, dir *string) {
	flags.StringVar(dir, "network", "", "`DIR` of the network (default: see once network --help)")
}

// memberOf returns the name or the id of the member that somebody calls so.
func memberOf(network *once.NetworkKey, called string) (string, error) {
	all, err := knownMembers(network)
	if err != nil {
		return "", err
	}
	return oneOf(all, called)
}

// wasRevoked tells whether somebody who is called so was a member, and is one no more.
func wasRevoked(network *once.NetworkKey, called string) bool {
	members, err := network.Members()
	return err == nil && slices.ContainsFunc(members, func(m once.Member) bool {
		return m.Revoked() && len(resolve(called, []known{{name: m.Name(), id: m.UUID()}})) > 0
	})
}

// knownMembers returns who was ever invited.
func knownMembers(network *once.NetworkKey) ([]known, error) {
	members, err := network.Members()
	all := make([]known, len(members))
	for i, m := range members {
		all[i] = known{name: m.Name(), id: m.UUID()}
	}
	return all, err
}

// memberRecord is a member of a network as JSON.
type memberRecord struct {
	Name  string   `json:"name"`
	ID    string   `json:"id"`
	Roles []string `json:"roles"`
	Until string   `json:"member_until"` // RFC 3339
	State string   `json:"state"`        // member, invited, expired or revoked
}

func recordsOf(network *once.NetworkKey) ([]memberRecord, error) {
	members, err := network.Members()
	var records []memberRecord
	for _, m := range members {
		r := memberRecord{Name: m.Name(), ID: m.UUID().String(), Roles: m.Roles(), Until: m.MemberUntil().UTC().Format(time.RFC3339), State: "member"}
		switch {
		case m.Revoked():
			r.State = "revoked"
		case time.Now().After(m.MemberUntil()):
			r.State = "expired"
		case m.Pending():
			r.State = "invited"
		}
		records = append(records, r)
	}
	return records, err
}
