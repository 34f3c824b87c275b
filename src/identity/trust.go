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

	mu      sync.Mutex
	stamp   string         // of the files of pins and revoked when they were read
	pins    map[string]Pin // by name
	notes   int            // names noted since
	since   time.Time
	revoked *Revocation
}

// NewTrust returns the trust of an identity. To trust members takes a membership, else
// the error is [api.ErrMembers].
func NewTrust(policy api.NodeTrust, own *Identity) (*Trust, error) {
	if policy.String() == "" {
		return nil, fmt.Errorf("no policy of trust has the number %d", policy)
	}
	if policy == api.NodeTrustMembers && own.token == nil {
		return nil, api.ErrMembers
	}
	peers, err := own.dir.certificates()
	if err != nil {
		return nil, err
	}
	t := &Trust{policy: policy, own: own, peers: peers, pins: map[string]Pin{}, revoked: &Revocation{}}
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
	Key   *[32]byte // that the connection has proved; nil without CURVE
}

// Check tells whether to believe a claim, and returns the token of who has proved to be
// a member of our network. That the claim is made by whom the card is of is proved by
// Key, else it is for the caller to see to. Errors are ErrNoCard, ErrStranger, ErrKey,
// ErrPinned, ErrFull and ErrMember, or say that a file cannot be read or written.
func (t *Trust) Check(c Claim, now time.Time) (*Token, error) {
	token, noted, err := t.check(c, now)
	if noted && err == nil { // others need not wait for the disk
		err = t.own.dir.sync(filePins)
	}
	return token, err
}

// check is Check, and tells whether a name was noted that is still to be synced.
func (t *Trust) check(c Claim, now time.Time) (token *Token, noted bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.refresh(); err != nil {
		return nil, false, err
	}
	switch {
	case c.Card == nil && (Owned(c.ID) || c.Key != nil && !t.peers[*c.Key]):
		return nil, false, fmt.Errorf("%s: %w", c.ID, ErrNoCard)
	case c.Card != nil && c.Card.ID != c.ID:
		return nil, false, fmt.Errorf("%s shows the card of %s: %w", c.ID, c.Card.ID, ErrStranger)
	case c.Card != nil && c.Key != nil && c.Card.Transport != *c.Key:
		return nil, false, fmt.Errorf("%s: %w", c.ID, ErrKey)
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

// member returns the token of a claim if it makes a member of our network.
func (t *Trust) member(c Claim, now time.Time) (*Token, error) {
	if t.own.token == nil || c.Card == nil || len(c.Token) == 0 {
		return nil, fmt.Errorf("%w: %s shows no token", ErrMember, c.ID)
	}
	token, err := ParseToken(c.Token, now)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMember, err)
	case !token.Network.Equal(t.own.token.Network):
		return nil, fmt.Errorf("%w: %s is one of another", ErrMember, c.ID)
	case token.Member != c.ID:
		return nil, fmt.Errorf("%w: %s shows the token of %s", ErrMember, c.ID, token.Member)
	case t.revoked.Voids(token):
		return nil, fmt.Errorf("%w: the token of %s was revoked", ErrMember, c.ID)
	case c.Name != "" && c.Name != token.Name:
		return nil, fmt.Errorf("%w: %s goes by %q, and its token by %q", ErrMember, c.ID, c.Name, token.Name)
	}
	return token, nil
}

func (i *Identity) Revoke(list string) error {
	if i.dir == "" {
		return api.ErrNoDirectory
	}
	r, err := revocationIn(list)
	if err == nil {
		err = i.adopt(r)
	}
	return err
}

// adopt keeps a revocation of the identity's network if it is newer. Each trust of the
// identity takes note.
func (i *Identity) adopt(r *Revocation) error {
	if i.token == nil || !r.Network.Equal(i.token.Network) {
		return fmt.Errorf("revocation: %w", ErrNetwork)
	}
	return i.dir.locked(func() error { return i.dir.adopt(r) })
}

// refresh reads the files of pins and of what was revoked if they have changed.
func (t *Trust) refresh() (err error) {
	stamp := t.own.dir.stamp(filePins, fileRevocation)
	if stamp == t.stamp {
		return nil
	}
	if t.pins, err = t.own.dir.pins(); err == nil && t.own.token != nil {
		t.revoked, err = t.own.dir.revocation(t.own.token.Network)
	}
	if err == nil {
		t.stamp = stamp
	}
	return err
}

// stamp tells apart what files have been over time.
func (d directory) stamp(names ...string) string {
	var stamp []byte
	if d == "" {
		return ""
	}
	for _, name := range names {
		if info, err := os.Stat(d.path(name)); err == nil {
			stamp = fmt.Appendln(stamp, name, info.Size(), info.ModTime())
		}
	}
	return string(stamp)
}
