package client

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPinFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "servers")
	p, err := OpenPins(path)
	if err != nil {
		t.Fatal(err)
	}
	key, pin := [32]byte{1}, Pin{Identity: make([]byte, 32), Key: [32]byte{2}, NotBefore: time.Unix(1700000000, 0)}
	if _, known := p.Pin(key); known {
		t.Error("one is known")
	}
	if err := p.Keep(key, pin); err != nil {
		t.Fatal(err)
	}
	again, err := OpenPins(path)
	if got, known := again.Pin(key); err != nil || !known || !got.Identity.Equal(pin.Identity) || got.Key != pin.Key || !got.NotBefore.Equal(pin.NotBefore) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPins(path); err == nil {
		t.Error("junk is read")
	}
}
