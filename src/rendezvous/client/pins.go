package client

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/lock"
)

// Pin is what is known of a server.
type Pin struct {
	Identity  ed25519.PublicKey
	Key       [32]byte // by which it is known now
	NotBefore time.Time
}

// Pins keep what is known of servers, by the KEY in their addresses.
type Pins interface {
	Pin(key [32]byte) (Pin, bool)
	Keep(key [32]byte, pin Pin) error
}

// PinFile keeps pins in a file, which one process at a time writes.
type PinFile struct {
	mu   sync.Mutex
	path string
	pins map[string]Pin // by KEY, in base64
}

// OpenPins returns the pins in a file, none if it is not there.
func OpenPins(path string) (*PinFile, error) {
	p := &PinFile{path: path, pins: map[string]Pin{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		if err = json.Unmarshal(text, &p.pins); err != nil {
			err = fmt.Errorf("%s: %w: restore it, or remove it to know no server", path, err)
		}
	}
	return p, err
}

// Pin implements [Pins].
func (p *PinFile) Pin(key [32]byte) (Pin, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pin, known := p.pins[identity.Base64(key[:])]
	return pin, known
}

// Keep implements [Pins].
func (p *PinFile) Keep(key [32]byte, pin Pin) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pins[identity.Base64(key[:])] = pin
	text, err := json.Marshal(p.pins)
	if err != nil {
		return err
	}
	return lock.Replace(p.path, 0o600, text)
}

// pins are what is known of servers, beside what is kept of them.
type pins struct {
	kept Pins // nil keeps nothing

	mu     sync.Mutex
	learnt map[[32]byte]Pin
}

// of returns what is known of the server whose address has a KEY, or no more than that.
func (p *pins) of(key [32]byte) Pin {
	if p.kept != nil {
		if pin, known := p.kept.Pin(key); known {
			return pin
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if pin, known := p.learnt[key]; known {
		return pin
	}
	return Pin{Key: key}
}

// learn notes what was learnt of the server whose address has a KEY. It is known even if it
// cannot be kept.
func (p *pins) learn(key [32]byte, pin Pin) error {
	p.mu.Lock()
	p.learnt[key] = pin
	p.mu.Unlock()
	if p.kept == nil {
		return nil
	}
	return p.kept.Keep(key, pin)
}
