package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/lock"
)

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

// pinned returns what is known of the server whose address has a KEY, or no more than that.
func (c *Client) pinned(key [32]byte) Pin {
	if c.Pins != nil {
		if pin, known := c.Pins.Pin(key); known {
			return pin
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if pin, known := c.pins[key]; known {
		return pin
	}
	return Pin{Key: key}
}
