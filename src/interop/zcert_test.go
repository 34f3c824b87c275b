package interop

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	who "github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/z85"
	"github.com/zeromq/goczmq"
)

// TestCertificates has CZMQ's zcert read the key of an identity, and an identity the
// key of a zcert. Each knows only what is in the other's files.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	ours, err := who.Open(filepath.Join(dir, "ours"))
	must(t, err)
	file := filepath.Join(ours.Directory(), "transport.cert")
	same := func(cert *goczmq.Cert, secret []byte) {
		t.Helper()
		defer cert.Destroy()
		want, err := goczmq.NewCertFromKeys(ours.Transport().PublicKey().Bytes(), secret)
		must(t, err)
		defer want.Destroy()
		if !cert.Equal(want) {
			t.Errorf("zcert reads %s", cert.PublicText())
		}
	}
	both, err := goczmq.NewCertFromFile(file)
	must(t, err)
	same(both, ours.Transport().Bytes())
	public := filepath.Join(dir, "public.cert")
	must(t, os.WriteFile(public, []byte(ours.Certificate()), 0o644))
	alone, err := goczmq.NewCertFromFile(public)
	must(t, err)
	same(alone, make([]byte, 32))

	for _, meta := range []string{"", "curve", "a \" b # c"} {
		theirs := newIdentity(t)
		if meta != "" {
			theirs.SetMeta("name", meta)
			theirs.SetMeta("public-key", meta)
		}
		must(t, theirs.Save(file))
		loaded, err := who.Load(ours.Directory())
		if err != nil || !loaded.Transport().Equal(theirs.PrivateKey) || loaded.UUID() != ours.UUID() {
			t.Fatalf("%q: %v", meta, err)
		}
		if key, err := who.LoadCertificate(file); err != nil || !key.Equal(theirs.PrivateKey) {
			t.Errorf("%q: %v", meta, err)
		}
		trusting, err := who.Open(filepath.Join(t.TempDir(), "trusting"))
		must(t, err)
		peers := filepath.Join(trusting.Directory(), "peers")
		must(t, os.Mkdir(peers, 0o700))
		must(t, theirs.SavePublic(filepath.Join(peers, "zyre.cert")))
		trust, err := who.NewTrust(api.NodeTrustOpen, trusting)
		must(t, err)
		key := theirs.public()
		if _, err := trust.Check(who.Claim{ID: [16]byte{1}, Key: &key}, time.Now()); err != nil || z85.Encode(key[:]) != theirs.PublicText() {
			t.Errorf("%q: %v", meta, err)
		}
	}
}
