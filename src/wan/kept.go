package wan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/lock"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

// Kept is what a node keeps of those that it has met; see api/protocol/once_record.xml. All
// methods may be called from any goroutine.
type Kept struct {
	path string // nothing keeps it for the life of the process

	mu   sync.Mutex
	port uint16 // that the node listens at beyond its LAN
	list map[uuid.UUID]*acquaintance
	old  bool // the file has not what there is
}

// acquaintance is one that the node has met.
type acquaintance struct {
	network   rendezvous.Number
	card      *identity.Card
	met       time.Time
	endpoints []string
	stood     string // of those the one at which it was reached; nothing for none
	groups    []string
	due       time.Time     // when it is looked for again
	wait      time.Duration // until the time after that
}

// firstLook is how soon an acquaintance is looked for again at first.
const firstLook = 5 * time.Second

// keptFile is how acquaintances stand in a file.
type keptFile struct {
	Port  uint16   `json:"port"`
	Peers [][]byte `json:"peers"` // an ACQUAINTANCE each
}

// NewKept returns one that knows nobody, and is in no file.
func NewKept() *Kept { return &Kept{list: map[uuid.UUID]*acquaintance{}} }

// OpenKept returns what a file has, and has it kept there. An error says what is wrong with
// the file, and then nobody is known.
func OpenKept(path string) (*Kept, error) {
	k := NewKept()
	k.path = path
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k, nil
	case err == nil && (!info.Mode().IsRegular() || info.Size() > maxKeptFile):
		err = fmt.Errorf("%s is no file, or too large", path)
	case err == nil:
		if err = k.read(); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	return k, err
}

// maxKeptFile is the most octets that the file may have: those of all, in base64.
const maxKeptFile = 2 * oncerecord.MaxKept * oncerecord.MaxAcquaintance

// read takes what the file has.
func (k *Kept) read() error {
	text, err := os.ReadFile(k.path)
	if err != nil {
		return err
	}
	var file keptFile
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	list := map[uuid.UUID]*acquaintance{}
	for _, octets := range file.Peers[:min(len(file.Peers), oncerecord.MaxKept)] {
		p, err := acquaintanceOf(octets)
		if err != nil {
			return err
		}
		list[p.card.ID] = p
	}
	k.port, k.list = file.Port, list
	return nil
}

// acquaintanceOf returns one that an ACQUAINTANCE tells of.
func acquaintanceOf(octets []byte) (*acquaintance, error) {
	var m oncerecord.Acquaintance
	if err := m.Decode(octets, nil); err != nil {
		return nil, err
	}
	id, err := rendezvous.IDIn(m.Card)
	if err != nil {
		return nil, err
	}
	card, err := identity.ParseCard(bytes.Clone(m.Card), id, identity.Anytime)
	return &acquaintance{
		network: rendezvous.Number(m.Network), card: card, met: time.Unix(int64(min(m.Met, 1<<40)), 0),
		endpoints: m.Endpoints, groups: m.Groups,
	}, err
}

// octets returns its ACQUAINTANCE.
func (p *acquaintance) octets() ([]byte, error) {
	m := oncerecord.Acquaintance{
		Network: p.network[:], Card: p.card.Octets(), Met: uint64(max(0, p.met.Unix())),
		Endpoints: p.endpoints, Groups: p.groups,
	}
	return m.AppendTo(nil)
}

// write has the file have what there is, if it has not. After a crash it has that or what it
// had before.
func (k *Kept) write() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.old || k.path == "" {
		return nil
	}
	file := keptFile{Port: k.port}
	for _, p := range k.sortedLocked() {
		octets, err := p.octets()
		if err != nil {
			return err
		}
		file.Peers = append(file.Peers, octets)
	}
	text, err := json.Marshal(file)
	if err == nil {
		err = lock.Replace(k.path, 0o600, text)
	}
	k.old = err != nil
	return err
}

// save is write for one that goes on if that fails.
func (k *Kept) save(log *slog.Logger) {
	if err := k.write(); err != nil {
		log.Warn("cannot keep whom the node has met", "error", err)
	}
}

// sortedLocked returns all, whom the node has met last first.
func (k *Kept) sortedLocked() []*acquaintance {
	return slices.SortedFunc(maps.Values(k.list), func(a, b *acquaintance) int {
		return cmp.Or(b.met.Compare(a.met), bytes.Compare(a.card.ID[:], b.card.ID[:]))
	})
}

// Port returns where the node has listened last, 0 for nowhere.
func (k *Kept) Port() uint16 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.port
}

// listens notes where the node listens now.
func (k *Kept) listens(port uint16) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.old = k.old || k.port != port
	k.port = port
}

// take notes one that the node has met, as a server tells of it. What was known of where it
// may be dialled stays if nothing else is, and where it was reached.
func (k *Kept) take(p *acquaintance) {
	k.mu.Lock()
	defer k.mu.Unlock()
	last := k.list[p.card.ID]
	switch {
	case last == nil && !k.roomLocked(p.met):
		return
	case last == nil:
	case len(p.endpoints) == 0:
		p.endpoints, p.stood = last.endpoints, last.stood
	case last.stood != "":
		p.endpoints, p.stood = first(last.stood, p.endpoints), last.stood
	}
	if last != nil && last.says(p) {
		last.due, last.wait = time.Time{}, 0
		return
	}
	k.list[p.card.ID], k.old = p, true
}

// longAgo is how long nobody was met who goes for another; so long the file may be behind.
const longAgo = time.Hour

// roomLocked tells whether there is room for one more that was met at a time, and makes it.
func (k *Kept) roomLocked(met time.Time) bool {
	if len(k.list) < oncerecord.MaxKept {
		return true
	}
	all := k.sortedLocked()
	oldest := all[len(all)-1]
	if met.Sub(oldest.met) < longAgo {
		return false
	}
	delete(k.list, oldest.card.ID)
	return true
}

// says tells whether there is nothing new in what is known of one now.
func (p *acquaintance) says(now *acquaintance) bool {
	return p.network == now.network && bytes.Equal(p.card.Octets(), now.card.Octets()) &&
		slices.Equal(p.endpoints, now.endpoints) && slices.Equal(p.groups, now.groups) && now.met.Sub(p.met) < longAgo
}

// again notes that the node has met one again whom no server tells of now.
func (k *Kept) again(peer uuid.UUID, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.list[peer]
	if p == nil {
		return
	}
	p.due, p.wait = time.Time{}, 0
	if now.Sub(p.met) >= longAgo {
		p.met, k.old = now, true
	}
}

// Reached notes that a peer was reached at an endpoint, if it is known.
func (k *Kept) Reached(peer uuid.UUID, endpoint string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.list[peer]
	if p == nil || p.stood == endpoint {
		return
	}
	k.old = k.old || len(p.endpoints) == 0 || p.endpoints[0] != endpoint
	p.endpoints, p.stood = first(endpoint, p.endpoints), endpoint
}

// first returns endpoints, each once, with one of them first.
func first(endpoint string, others []string) []string {
	list := []string{endpoint}
	for _, e := range others {
		if e != endpoint && len(list) < oncerecord.MaxAcquaintanceEndpoints {
			list = append(list, e)
		}
	}
	return list
}

// has tells whether a peer was met in one of some networks.
func (k *Kept) has(peer uuid.UUID, networks []rendezvous.Number) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.list[peer]
	return p != nil && slices.Contains(networks, p.network)
}

// card returns a peer's card, and where it may be dialled; nil for one who is not known in
// some networks.
func (k *Kept) card(peer uuid.UUID, networks []rendezvous.Number) (*identity.Card, []sight.Endpoint) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.list[peer]
	if p == nil || !slices.Contains(networks, p.network) {
		return nil, nil
	}
	var list []sight.Endpoint
	for _, text := range p.endpoints {
		if e, err := sight.Parse(text); err == nil && e.Dialable() {
			list = append(list, e.With(&p.card.Transport))
		}
	}
	return p.card, list
}

// due returns who is to be looked for now, of those that share a group with the node in some
// networks and no server tells of, and sees to it that each is looked for more and more
// seldom.
func (k *Kept) due(networks []rendezvous.Number, groups []string, told map[uuid.UUID]bool, random func(string) float64) (list []uuid.UUID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for id, p := range k.list {
		if told[id] || now.Before(p.due) || len(p.endpoints) == 0 || !slices.Contains(networks, p.network) ||
			!slices.ContainsFunc(p.groups, func(group string) bool { return slices.Contains(groups, group) }) {
			continue
		}
		p.wait = min(max(2*p.wait, firstLook), oncerecord.MaxLook*time.Second)
		p.due = now.Add(link.Vary(p.wait, random("look")))
		list = append(list, id)
	}
	return list
}

// soon has all be looked for at once.
func (k *Kept) soon() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.list {
		p.due, p.wait = time.Time{}, 0
	}
}
