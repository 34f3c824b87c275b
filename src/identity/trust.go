package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
)

// maxCertificates is how many certificates of peers there may be.
const maxCertificates = 4096

// Trust tells whom to believe. What is in the files of the identity's directory counts
// from when it is there, but for the certificates of peers, which are read once. All
// methods may be called from any goroutine.
type Trust struct {
	policy api.NodeTrust
	own    *Identity
	peers  map[[32]byte]bool // keys that need no card

	mu    sync.Mutex
	stamp string         // of the files of pins and of the membership when they were read
	pins  map[string]Pin // by name
	notes int            // names noted since
	since time.Time
}

// NewTrust returns the trust of an identity. To trust members takes a membership, else
// the error is [api.ErrMembers].
func NewTrust(policy api.NodeTrust, own *Identity) (*Trust, error) {
	if policy.String() == "" {
		return nil, fmt.Errorf("no policy of trust has the number %d", policy)
	}
	if policy == api.NodeTrustMembers && own.Token() == nil {
		return nil, api.ErrMembers
	}
	peers, err := own.dir.certificates()
	if err != nil {
		return nil, err
	}
	t := &Trust{policy: policy, own: own, peers: peers, pins: map[string]Pin{}}
	return t, t.refresh()
}

// certificates returns the keys of the public certificates in peers/*.cert.
func (d directory) certificates() (map[[32]byte]bool, error) {
	if d == "" {
		return nil, nil
	}
	peers := directory(d.path("peers"))
	entries, err := os.ReadDir(string(peers))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return filepath.Ext(e.Name()) != ".cert" })
	if len(entries) > maxCertificates {
		return nil, fmt.Errorf("certificates in %s: %w", peers, ErrFull)
	}
	keys := make(map[[32]byte]bool, len(entries))
	for _, entry := range entries {
		key, err := read(peers, entry.Name(), ofTrusted, func(text string) ([32]byte, error) {
			return keyIn(text, "curve", "public-key")
		})
		if err != nil {
			return nil, err
		}
		keys[key] = true
	}
	return keys, err
}

// Claim is who somebody says to be.
type Claim struct {
	ID    uuid.UUID
	Name  string    // empty if it is not known yet
	Card  *Card     // nil if there is none
	Token []byte    // as it came; empty if there is none
	Moves []byte    // that led its network to the key that it has; empty if there are none
	Key   *[32]byte // that the connection has proved; nil without CURVE
}

// Check tells whether to believe a claim, and returns the token of who has proved to be
// a member of our network. That the claim is made by whom the card is of is proved by
// Key, else it is for the caller to see to. Errors are ErrNoCard, ErrStranger, ErrKey,
// ErrPinned, ErrFull and ErrMember, or say that a file cannot be read or written.
func (t *Trust) Check(c Claim, now time.Time) (*Token, error) {
	token, noted, err := t.check(c, now)
	if noted != nil { // others need not wait for the disk
		err = errors.Join(err, noted.Sync(), noted.Close())
	}
	return token, err
}

// check is Check, and returns the file in which a name was noted, which is still to be synced.
func (t *Trust) check(c Claim, now time.Time) (token *Token, noted *os.File, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(); err != nil {
		return nil, nil, err
	}
	switch {
	case c.Card == nil && (Owned(c.ID) || c.Key != nil && !t.peers[*c.Key]):
		return nil, nil, fmt.Errorf("%s: %w", c.ID, ErrNoCard)
	case c.Card != nil && c.Card.ID != c.ID:
		return nil, nil, fmt.Errorf("%s shows the card of %s: %w", c.ID, c.Card.ID, ErrStranger)
	case c.Card != nil && c.Key != nil && c.Card.Transport != *c.Key:
		return nil, nil, fmt.Errorf("%s: %w", c.ID, ErrKey)
	}
	token, err = t.member(c, now)
	switch t.policy {
	case api.NodeTrustOpen:
		err = nil
	case api.NodeTrustFirstUse:
		noted, err = t.firstUse(c, now)
	}
	return token, noted, err
}

// member returns the token of a claim that counts, if it makes a member of our network: the
// latest of the one that is shown and the one in the network's roll.
func (t *Trust) member(c Claim, now time.Time) (*Token, error) {
	own, roll := t.own.Membership()
	if own == nil || c.Card == nil || len(c.Token) == 0 {
		return nil, fmt.Errorf("%w: %s shows no token", ErrMember, c.ID)
	}
	parse := ParseToken
	if c.Name == "" {
		parse = ParseShownToken
	}
	shown, err := parse(c.Token, Anytime)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMember, err)
	case shown.Member != c.ID:
		return nil, fmt.Errorf("%w: %s shows the token of %s", ErrMember, c.ID, shown.Member)
	}
	token, known := shown, roll.Tokens[c.ID]
	err = roll.knows(shown, c.Moves)
	if known != nil && (err == nil && known.later(shown) || err != nil && roll.keys.have(shown.Network)) {
		token, err = known, nil
	}
	if err == nil {
		err = token.Valid(now)
	}
	switch {
	case errors.Is(err, ErrNetwork):
		return nil, fmt.Errorf("%w: %s is one of another", ErrMember, c.ID)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMember, err)
	case roll.Voids(token):
		return nil, fmt.Errorf("%w: %w", ErrMember, ErrTakenBack)
	case c.Name != "" && c.Name != token.Name && c.Name != shown.Name:
		return nil, fmt.Errorf("%w: %s goes by %q, and its token by %q", ErrMember, c.ID, c.Name, token.Name)
	}
	return token, nil
}

// knows tells whether a token is of the roll's network, or of one that this is to follow:
// moves lead there from a key that it has.
func (r *Roll) knows(t *Token, moves []byte) error {
	if t.Network.Equal(r.Network) {
		return nil
	}
	keys, err := keysOf(moves, t.Network)
	if err != nil || keys.have(r.Network) {
		return err
	}
	return r.foreign(keys)
}

// refresh reads the files of pins and of the membership if they have changed.
func (t *Trust) refresh() (err error) {
	stamp := t.own.dir.stamp()
	if stamp == t.stamp {
		return nil
	}
	if t.pins, err = t.own.dir.pins(); err == nil {
		err = t.own.belong()
	}
	if err == nil {
		t.stamp = stamp
	}
	return err
}

// Refresh has what is in the files of the identity's directory count that was not read yet.
func (t *Trust) Refresh() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refresh()
}

// stamp tells apart what the files that refresh reads have been over time.
func (d directory) stamp() string {
	var stamp []byte
	if d == "" {
		return ""
	}
	for _, name := range []string{filePins, fileRoll, fileToken} {
		if info, err := os.Stat(d.path(name)); err == nil {
			stamp = fmt.Appendln(stamp, name, info.Size(), info.ModTime())
		}
	}
	return string(stamp)
}
