package identity

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

func load(t testing.TB, dir string) *Identity {
	t.Helper()
	i, err := Load(dir)
	must(t, err)
	return i
}

func put(t testing.TB, dir, name string, content []byte, mode fs.FileMode) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), content, mode))
	must(t, os.Chmod(filepath.Join(dir, name), mode))
}

func get(t testing.TB, dir, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	return content
}

func TestIdentityStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "identity")
	_, err := Load(dir)
	wants(t, err, fs.ErrNotExist)
	if !strings.Contains(err.Error(), "once identity new") || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v does not say what to do", err)
	}
	made, err := Open(dir)
	must(t, err)
	if _, err = made.Incarnation(start); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		for name, mode := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, "identity.key": 0o600, fileTransport: 0o600, fileIncarnation: 0o600, fileCertificate: 0o644} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
				t.Errorf("%s: %v, %v, want %v", name, info, err, mode)
			}
		}
	}
	again, err := Open(dir)
	must(t, err)
	if again.UUID() != made.UUID() {
		t.Error("an identity is made anew")
	}
	if again = load(t, dir); again.UUID() != made.UUID() || !again.key.Equal(made.key) || !again.transport.Equal(made.transport) || again.Directory() != dir {
		t.Error("an identity is not what it was")
	}
	must(t, os.Remove(filepath.Join(dir, fileCertificate)))
	if again := load(t, dir); !again.transport.Equal(made.transport) || string(get(t, dir, fileCertificate)) != made.Certificate() {
		t.Error("the public certificate does not come back")
	}
	must(t, os.Remove(filepath.Join(dir, fileTransport)))
	must(t, os.Remove(filepath.Join(dir, fileCertificate)))
	if again := load(t, dir); again.UUID() != made.UUID() || again.transport.Equal(made.transport) {
		t.Error("the transport has no new key")
	}
}

func TestOpenAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "identity")
	found := make([]*Identity, 16)
	numbers := make(map[uint64]bool)
	var all sync.WaitGroup
	var mu sync.Mutex
	for n := range found {
		all.Go(func() {
			i, err := Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			number, err := i.Incarnation(start)
			mu.Lock()
			defer mu.Unlock()
			if found[n] = i; err != nil || numbers[number] {
				t.Errorf("incarnation %d is there twice, %v", number, err)
			}
			numbers[number] = true
		})
	}
	all.Wait()
	for _, i := range found {
		if i == nil || !i.key.Equal(found[0].key) || !i.transport.Equal(found[0].transport) {
			t.Fatal("there are two identities")
		}
	}
}

func TestIncarnation(t *testing.T) {
	kept, err := Open(t.TempDir() + "/identity")
	must(t, err)
	memory, err := Open("")
	must(t, err)
	for _, i := range []*Identity{kept, memory} {
		at := uint64(start.UnixNano())
		for _, step := range []struct {
			now  time.Time
			want uint64
		}{
			{time.Unix(-1, 0), 1}, {start, at}, {start, at + 1}, {start.Add(-time.Hour), at + 2},
			{start.Add(time.Second), at + uint64(time.Second)}, {time.Time{}, at + uint64(time.Second) + 1},
		} {
			got, err := i.Incarnation(step.now)
			if err != nil || got != step.want {
				t.Fatalf("at %s: %d, %v, want %d", step.now, got, err, step.want)
			}
			if i.dir != "" {
				i = load(t, i.Directory())
			}
		}
	}
	for _, torn := range []string{"", "\n", "1e3\n", "-1\n", "1\n2\n", "18446744073709551615\n", "secret"} {
		put(t, kept.Directory(), fileIncarnation, []byte(torn), 0o600)
		_, err = kept.Incarnation(start)
		wants(t, err, ErrMalformed)
	}
}

// filled returns the directory of an identity that has each file that there can be.
func filled(t testing.TB) (dir string, read func() error) {
	t.Helper()
	network, err := OpenNetwork(t.TempDir() + "/network")
	must(t, err)
	invite, token, err := network.invite("ana", nil, [16]byte{}, time.Hour, start)
	must(t, err)
	dir = t.TempDir() + "/identity"
	_, err = joinAt(dir, invite, start)
	must(t, err)
	r, err := network.revoke([16]byte{6: 0x80, 8: 0x80}, start)
	must(t, err)
	i := load(t, dir)
	must(t, i.Adopt(r.Text()))
	must(t, i.dir.keep(map[string]Pin{"a \"b\" \x00\xFF\n": {"a \"b\" \x00\xFF\n", token.Member, start, false}}))
	must(t, os.Mkdir(filepath.Join(dir, "peers"), 0o700))
	put(t, dir, "peers/b.cert", []byte(i.Certificate()), 0o644)
	_, err = i.Incarnation(start)
	must(t, err)
	return dir, func() error {
		i, err := Load(dir)
		if err == nil {
			_, err = NewTrust(api.NodeTrustMembers, i)
		}
		if err == nil {
			_, err = i.Incarnation(start)
		}
		return err
	}
}

// secrets and others are the files of an identity, each with what is at its end that
// can be missing.
var (
	secrets = map[string]string{"identity.key": "\n", fileTransport: "\n"}
	others  = map[string]string{fileToken: "\n", fileIncarnation: "\n", fileRoll: "\n", filePins: "\n", "peers/b.cert": "\n"}
)

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	dir, read := filled(t)
	must(t, read())
	try := func(name string, was fs.FileMode, modes map[fs.FileMode]bool) {
		t.Helper()
		for mode, ok := range modes {
			must(t, os.Chmod(filepath.Join(dir, name), mode))
			err := read()
			if ok && err != nil || !ok && (err == nil || !strings.Contains(err.Error(), filepath.Join(dir, name))) {
				t.Errorf("%s with mode %o: %v", name, mode, err)
			}
			if !ok {
				wants(t, err, ErrMode)
			}
		}
		must(t, os.Chmod(filepath.Join(dir, name), was))
	}
	for name := range secrets {
		try(name, 0o600, map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false, 0o601: false})
	}
	for name := range others {
		try(name, 0o644, map[fs.FileMode]bool{0o600: true, 0o644: true, 0o664: false, 0o646: false})
	}
	for _, name := range []string{"", "peers"} {
		try(name, 0o700, map[fs.FileMode]bool{0o755: true, 0o775: false, 0o703: false, 0o777 | fs.ModeSticky: false})
	}
	must(t, os.Chmod(dir, 0o777))
	_, err := Open(dir)
	wants(t, err, ErrMode)
	_, err = OpenNetwork(dir)
	wants(t, err, ErrMode)
	wants(t, (&Identity{dir: directory(dir)}).Forget("ana"), ErrMode)
}

// TestTorn has each file cut short at each place, replaced by each other, and absurd.
func TestTorn(t *testing.T) {
	dir, read := filled(t)
	all := maps.Clone(secrets)
	maps.Copy(all, others)
	for name, end := range all {
		t.Run(name, func(t *testing.T) {
			whole := get(t, dir, name)
			try := func(content []byte) {
				t.Helper()
				put(t, dir, name, content, 0o600)
				err := read()
				wants(t, err, ErrMalformed)
				if !strings.Contains(err.Error(), filepath.Join(dir, name)) {
					t.Errorf("%v does not say which file", err)
				}
			}
			for n := range len(whole) - len(end) {
				if n > 0 && name == fileIncarnation || name == filePins {
					continue // a shorter number, or fewer names, which are fine
				}
				try(whole[:n])
			}
			for other := range all {
				if name != other && !(name == "peers/b.cert" && other == fileTransport) {
					try(get(t, dir, other))
				}
			}
			try(bytes.Repeat([]byte("#\n"), 1000))
			try(make([]byte, 1<<20))
			must(t, os.Truncate(filepath.Join(dir, name), maxFile+1))
			wants(t, read(), ErrMalformed)
			must(t, os.Remove(filepath.Join(dir, name)))
			must(t, os.Mkdir(filepath.Join(dir, name), 0o700))
			wants(t, read(), ErrMalformed)
			must(t, os.Remove(filepath.Join(dir, name)))
			put(t, dir, name, whole, 0o600)
			must(t, read())
		})
	}
}

// TestCrash: a file that was not renamed any more is none, and is in nobody's way.
func TestCrash(t *testing.T) {
	dir, read := filled(t)
	was := load(t, dir)
	for _, name := range append(slices.Collect(maps.Keys(secrets)), slices.Collect(maps.Keys(others))...) {
		put(t, dir, name+".new", []byte("torn"), 0o600)
	}
	must(t, read())
	if now := load(t, dir); now.UUID() != was.UUID() || !bytes.Equal(now.Token().Octets(), was.Token().Octets()) {
		t.Error("an identity is not what it was")
	}
	must(t, was.dir.keep(map[string]Pin{}))
	must(t, read())
	wants(t, was.Forget("anybody"), api.ErrUnknown)
	wants(t, was.dir.write("large", 0o600, make([]byte, maxFile+1)), ErrFull)
}

func TestProperties(t *testing.T) {
	const key = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
	for text, ok := range map[string]bool{
		"curve\n    public-key = \"" + key + "\"\n":                                                       true,
		"#   curve\n\nmetadata\n    name = \"a # b\"\ncurve\n    public-key = '" + key + "'\n    x = 1\n": true,
		"curve\r\n    public-key=\"" + key + "\"  # ours\r\n":                                             true,
		"curve\n\n# here\n    # it is\n    x = 1\n        y = 2\n    public-key = \"" + key + "\"":        true,
		"metadata\n    public-key = \"" + key + "\"\n":                                                    false,
		"curve\nmetadata\n    public-key = \"" + key + "\"\n":                                             false,
		"curve\n        public-key = \"" + key + "\"\n":                                                   false,
		"curve\npublic-key = \"" + key + "\"\n":                                                           false,
		"curve\n    public-key = " + key + "\n":                                                           false,
		"curve\n    public-key = \"" + key + "\n":                                                         false,
		"curve\n    public-key = \"" + key[1:] + "\"\n":                                                   false,
		"curve\n    public-key = \"" + strings.Replace(key, "0", "~", 1) + "\"\n":                         false,
		"curve\n    secret-key = \"" + key + "\"\n":                                                       false,
		"#curve\n    public-key = \"" + key + "\"\n":                                                      false,
	} {
		if got, err := keyIn(text, "curve", "public-key"); (err == nil) != ok || ok && got[0] != 0x8E {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
}
