package once_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/oncetest"
)

// What CZMQ's zcert_save writes, to FILE_secret and to FILE: the keys of RFC 26's example.
const (
	publicText = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
	secretText = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
	zcertHead  = "#   ****  Generated on 2014-09-18 12:00:00 by CZMQ  ****\n#   ZeroMQ CURVE **Secret** Certificate\n" +
		"#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n\nmetadata\n    name = \"ben\"\ncurve\n"
	zcertPublic = zcertHead + "    public-key = \"" + publicText + "\"\n"
	zcertSecret = zcertPublic + "    secret-key = \"" + secretText + "\"\n"
)

// TestCertificate has a node go by a certificate that there is, and use its identity's
// own again without.
func TestCertificate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ben.cert")
	for name, text := range map[string]string{file: zcertPublic, file + "_secret": zcertSecret} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ben := memory(t)
	own := ben.Certificate()
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 11)
		start := func(address string, config once.Config) *once.Node {
			config.Security = once.SecuritySecure
			n, err := once.Start(network.Host(address).Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		home := start("10.0.0.1", once.Config{Name: "ana"})
		away := start("10.0.0.2", once.Config{Name: "ben", Identity: ben, Certificate: file})
		if !strings.HasSuffix(away.Endpoint(), "|"+publicText) || !strings.Contains(ben.Certificate(), publicText) {
			t.Errorf("ben is at %s, and goes by %s", away.Endpoint(), ben.Certificate())
		}
		event, err := home.Next(t.Context())
		if e, ok := event.(*once.Enter); !ok || e.Peer.Protection() != once.ProtectionCurve || e.Peer.UUID() != ben.UUID() || !strings.HasSuffix(e.Peer.Endpoint(), "|"+publicText) {
			t.Errorf("ana is told %v, %v", event, err)
		}
	})
	if ben.Certificate() != own {
		t.Errorf("after Close ben goes by %s, was %s", ben.Certificate(), own)
	}
}

// TestCertificatesThatAreNotRight gives nodes what is no certificate for them.
func TestCertificatesThatAreNotRight(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other := strings.Replace(zcertSecret, publicText, secretText, 1)
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		file string
		want error
	}{
		{filepath.Join(dir, "missing"), fs.ErrNotExist},
		{filepath.Join(dir, "missing", "too"), fs.ErrNotExist},
		{folder, once.ErrMalformed},
		{write("public", zcertPublic, 0o600), once.ErrMalformed},
		{write("empty", "", 0o600), once.ErrMalformed},
		{write("patched", other, 0o600), once.ErrMalformed},
		{write("open", zcertSecret, 0o644), once.ErrMode},
		{strings.Repeat("x", 4097), once.ErrArgument},
	} {
		if n, err := once.Start(t.Context(), once.Config{Certificate: test.file}); n != nil || !errors.Is(err, test.want) {
			t.Errorf("%.60s: %v, want %v", test.file, err, test.want)
		}
	}
	right := write("right", zcertSecret, 0o600)
	if n, err := once.Start(t.Context(), once.Config{Certificate: right, Security: once.SecurityPlain}); n != nil || !errors.Is(err, once.ErrNoIdentity) {
		t.Errorf("without security: %v", err)
	}
}
