package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Identity is who a node is: the key that its id is made of, those that its cards bind to
// that, and the network that it is in. Each of its parts keeps a state of its own and knows no
// more than it needs; what a part can be asked, the identity can. All methods may be called
// from any goroutine.
type Identity struct {
	keys
	cards
	membership
	servers
	dir directory // empty if it is in memory only

	mu          sync.Mutex
	incarnation uint64   // the latest
	held        bool     // a node runs with it
	holder      *os.File // that says so, nil if nothing on disk does
}

// New returns an identity that nobody has had before.
func New() (*Identity, error) {
	transport, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("draw a transport key: %w", err)
	}
	return identityOf("", ed25519.NewKeyFromSeed(newSeed()), transport), nil
}

// identityOf returns the identity with some keys, in a directory.
func identityOf(dir directory, key ed25519.PrivateKey, transport *ecdh.PrivateKey) *Identity {
	i := &Identity{dir: dir, keys: keys{key: key, id: IDOf(publicOf(key)), transport: transport}}
	i.cards.by = &i.keys
	i.membership.dir, i.membership.member = dir, i.id
	i.servers.of = &i.membership
	return i
}

// Open returns the identity in a directory, and makes both if they are missing. Without
// a directory it is a new one, in memory only.
func Open(dir string) (*Identity, error) {
	if dir == "" {
		return New()
	}
	if err := directory(dir).establishKey("identity", newSeed()); err != nil {
		return nil, err
	}
	return Load(dir)
}

// Load returns the identity in a directory. A missing key for the transport is made.
// The error is fs.ErrNotExist if there is no identity, ErrMode if others have rights
// on its files, ErrMalformed if one is not right.
func Load(dir string) (*Identity, error) {
	d := directory(dir)
	key, err := d.key("identity")
	if err != nil {
		return nil, err
	}
	transport, err := d.transport()
	if err != nil {
		return nil, err
	}
	i := identityOf(d, key, transport)
	return i, i.belong()
}

// Directory returns where the identity is, nothing for nowhere.
func (i *Identity) Directory() string { return string(i.dir) }

// Hold takes an identity for a node, until Release. The error is ErrInUse if a node has
// it already, of this process or, with a directory, of another on this file system.
// After any other error the identity is held, but the directory does not tell so:
// others may take it too.
func (i *Identity) Hold() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.held {
		return fmt.Errorf("%s, in this process: %w", i.id, ErrInUse)
	}
	file, err := i.dir.hold()
	i.holder, i.held = file, !errors.Is(err, ErrInUse)
	return err
}

// Release gives an identity back that Hold has taken.
func (i *Identity) Release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.Lend(nil)
	if i.holder != nil {
		_ = i.holder.Close() // which unlocks it
	}
	i.holder, i.held = nil, false
}

const fileIncarnation = "incarnation"

// Incarnation returns a number for a start of the node: the time in nanoseconds since
// 1970, but more than at any start before that the directory knows of. An error beside
// a number that is not 0 says that the directory will not know of this one.
func (i *Identity) Incarnation(now time.Time) (next uint64, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	unkept := i.dir.locked(func() error {
		if next, err = i.dir.next(i.incarnation, now); err != nil {
			return err
		}
		return i.dir.write(fileIncarnation, 0o600, fmt.Appendln(nil, next))
	})
	if next == 0 { // the directory has no lock, or no right number
		if next, err = i.dir.next(i.incarnation, now); err != nil {
			return 0, err
		}
	}
	i.incarnation = next
	return next, unkept
}

// next returns the number of a start after one, and after the latest that the directory knows.
func (d directory) next(after uint64, now time.Time) (uint64, error) {
	last, err := read(d, fileIncarnation, ofTrusted, func(text string) (uint64, error) {
		return strconv.ParseUint(strings.TrimSuffix(text, "\n"), 10, 63)
	})
	if err != nil {
		return 0, err
	}
	return max(max(last, after)+1, uint64(max(now.UnixNano(), 0))), nil
}
