package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// terminal is the program on a pseudo-terminal.
type terminal struct {
	t      *testing.T
	master *os.File
	chunks chan string // of what it writes
	seen   string
}

// open runs a command on a new pseudo-terminal of 60 columns.
func open(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skip("no pseudo-terminals:", err)
	}
	master := os.NewFile(uintptr(fd), "ptmx")
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0),
		unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60}))
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	term := &terminal{t: t, master: master, chunks: make(chan string, 1000)}
	go term.read()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // killed
		master.Close()
		for range term.chunks { // until read has ended
		}
	})
	return term
}

// read ends when no process has the terminal any more.
func (m *terminal) read() {
	defer close(m.chunks)
	b := make([]byte, 4096)
	for {
		n, err := m.master.Read(b)
		m.chunks <- string(b[:n])
		if err != nil {
			return
		}
	}
}

func (m *terminal) types(text string) {
	m.t.Helper()
	if _, err := m.master.WriteString(text); err != nil {
		m.t.Fatal(err)
	}
}

// resize changes the terminal's width, which tells the program.
func (m *terminal) resize(columns uint16) {
	m.t.Helper()
	raw, err := m.master.SyscallConn()
	if err == nil {
		err = errors.Join(err, raw.Control(func(fd uintptr) {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
		}))
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// sees waits until what was written since the last match matches a pattern.
func (m *terminal) sees(pattern string) {
	m.t.Helper()
	expression := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		if at := expression.FindStringIndex(m.seen); at != nil {
			m.seen = m.seen[at[1]:]
			return
		}
		select {
		case chunk, more := <-m.chunks:
			if m.seen += chunk; !more {
				m.t.Fatalf("ended before %q, after %q", pattern, m.seen)
			}
		case <-deadline:
			m.t.Fatalf("never wrote %q, but %q", pattern, m.seen)
		}
	}
}

// TestTerminal checks that what arrives does not garble what is being typed, and
// that nothing from the network commands the terminal.
func TestTerminal(t *testing.T) {
	n := newNetwork(t)
	cmd := n.command("chat", "--group", "room", "--name", "ana")
	screen := open(t, cmd)
	screen.sees(`You are ana in room.*\r\nroom> `)
	ben := n.start("chat", "--group", "room", "--name", "b\x1b[5men"+strings.Repeat("x", 100))
	ben.sees(`^\* ana joined room`)
	screen.sees(`\x1b\[3[1-6]mb\\x1b\[5menx{29}…\x1b\[0m joined room\x1b\[2m \(sealed\)\x1b\[0m\r\n`)

	screen.types("half a li")
	screen.sees(`half a li`)
	ben.says("\x1b]0;title\a interrupts")
	screen.sees(`…\x1b\[0m: \\x1b\]0;title\\a interrupts\r\nroom> half a li`)
	screen.types("ne\r")
	ben.sees(`^ana: half a line$`)
	screen.types("/join other\r")
	screen.sees(`you are in other.*\r\n(.*\r\n)*other> `)
	screen.types("/nonsense\r")
	screen.sees(`no command "/nonsense"`)
	screen.types("/peers\r")
	screen.sees(`NAME +ID +ADDRESS +PROTECTION +GROUPS\r\nb\\x1b\[5menx+… +[0-9a-f]{8}  127`)
	screen.types("\x03") // Ctrl-C
	ben.sees(` is gone \(left\)$`)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestTerminalNarrows makes the terminal narrower while a line is typed.
func TestTerminalNarrows(t *testing.T) {
	n := newNetwork(t)
	screen := open(t, n.command("chat", "--group", "room", "--name", "ana"))
	screen.sees(`You are ana in room.*\r\nroom> `)
	ben := n.start("chat", "--group", "room", "--name", "ben")
	ben.sees(`^\* ana joined room`)
	screen.sees(`ben.*joined room`)
	screen.types("a line that is as long as forty columns are")
	screen.sees(`room> a line that is as long as forty columns are\x1b7`)
	screen.resize(30)
	screen.sees(`\x1b\[6n`)
	screen.types("\x1b[7;20R") // wrapped: the cursor is in the second row of the line
	screen.sees(`\x1b\[1A\r\x1b\[Jroom> …g as forty columns are\x1b7`)
	ben.says("hi")
	screen.sees(`ben.*: hi\r\nroom> …g as forty columns are\x1b7`)
	screen.resize(80)
	screen.sees(`\r\x1b\[Jroom> a line that is as long as forty columns are\x1b7`)
	screen.types("\r")
	ben.sees(`^ana: a line that is as long as forty columns are$`)
}

// TestPasteIsAskedFor pastes several lines, which are sent if the answer is yes, and said even
// if they look like commands.
func TestPasteIsAskedFor(t *testing.T) {
	n := newNetwork(t)
	screen := open(t, n.command("chat", "--group", "room", "--name", "ana"))
	screen.sees(`\x1b\[\?2004h(.|\r\n)*You are ana in room`)
	ben := n.start("chat", "--group", "room", "--name", "ben")
	ben.sees(`^\* ana joined room`)
	screen.sees(`ben(\x1b\[0m)? joined room`)
	screen.types("\x1b[200~one\r/quit\r\x1b[201~")
	screen.sees(`pasted 2 lines, 10 octets, from "one" to "/quit"(.|\r\n)*send each line as a message\? \[y/N\]`)
	screen.types("n")
	screen.sees(`not sent`)
	screen.types("\x1b[200~two\r/quit\r\x1b[201~y")
	screen.sees(`2 lines are sent`)
	ben.sees(`^ana: `)
	if got := ben.seen[len(ben.seen)-1]; got != "ana: two" {
		t.Errorf("the first that ben hears is %q", got)
	}
	ben.sees(`^ana: /quit$`)
	screen.types("\x03")
	screen.sees(`\x1b\[\?2004l`)
}

// TestTabCompletes completes commands, peers and groups.
func TestTabCompletes(t *testing.T) {
	n := newNetwork(t)
	screen := open(t, n.command("chat", "--group", "room", "--name", "cleo"))
	ana := n.start("chat", "--group", "room", "--group", "den", "--group", "dens", "--name", "Ana Maria")
	screen.sees(`Ana Maria.* joined room`)
	ana.sees(`cleo joined room`)
	screen.types("/wh\t")
	screen.sees(`room> /whisper \x1b7`)
	screen.types("A\tpsst\r")
	ana.sees(`^cleo whispers: psst$`)
	screen.types("/join d\t")
	screen.sees(`room> /join den\x1b7`)
	screen.types("\t")
	screen.sees(`den  dens\r\n`)
	screen.types("s\t\r")
	screen.sees(`you are in dens`)
	ben := n.start("chat", "--group", "room", "--name", "Ana")
	screen.sees(`Ana.* joined room`)
	screen.types("/whisper Ana Maria is late\r") // to whom?
	screen.sees(`put the name in quotes, whether it is "Ana" or "Ana Maria": nothing was sent`)
	screen.types("/whisper 'Ana' Maria is late\r")
	ben.sees(`^cleo whispers: Maria is late$`)
}

// TestPlainWordsAreMarked checks that what protects words is told once, and with each message
// if nothing does.
func TestPlainWordsAreMarked(t *testing.T) {
	n := newNetwork(t)
	screen := open(t, n.command("chat", "--group", "room", "--name", "cleo"))
	screen.sees(`You are cleo`)
	ana := n.start("chat", "--group", "room", "--name", "ana")
	screen.sees(`\d\d:\d\d\x1b\[0m \x1b\[2m\*\x1b\[0m \S+ joined room\x1b\[2m \(sealed\)`)
	ben := n.start("chat", "--group", "room", "--name", "ben", "--security", "plain")
	screen.sees(`ben\x1b\[0m joined room\x1b\[31m \(plain\)`)
	ana.sees(`^\* cleo joined room$`)
	ana.sees(`^\* ben joined room \(plain\)$`)
	ana.says("hi")
	screen.sees(`ana\x1b\[0m: hi\r\n`)
	ben.sees(`^cleo \(plain\): |^ana \(plain\): hi$`)
	ben.says("ho")
	screen.sees(`ben\x1b\[0m\x1b\[31m \(plain\)\x1b\[0m: ho\r\n`)
	ana.sees(`^ben \(plain\): ho$`)
}

// TestLargeMessageIsShownInPart sends four megabytes to a terminal.
func TestLargeMessageIsShownInPart(t *testing.T) {
	n := newNetwork(t)
	screen := open(t, n.command("chat", "--group", "room", "--name", "cleo"))
	screen.sees(`You are cleo`)
	cmd := n.command("shout", "--group", "room", "--name", "ana", "-")
	cmd.Stdin = strings.NewReader(strings.Repeat("a line\n", 600000))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	screen.sees(`: (a line\\n){100,700}\S*… \(4200000 octets\)\r\n`)
}

// TestInterruptedBeforeAllHave ends conversations in which a peer takes nothing, from a
// terminal and from a pipe: who did not get the last words is said.
func TestInterruptedBeforeAllHave(t *testing.T) {
	n := newNetwork(t)
	ana := n.start("listen", "--group", "room", "--name", "ana")
	ben := n.start("chat", "--group", "room", "--name", "ben")
	ben.sees(`^\* ana joined room$`)
	cmd := n.command("chat", "--group", "room", "--name", "cleo")
	cleo := open(t, cmd)
	cleo.sees(`ana.* joined room`)
	ana.sees(`\tjoin\t\S+\tcleo`)
	if err := ana.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const missing = `peers are not known to have got what was said to them; ana \(\S+\): \d+ messages?`
	ben.says("are you there?")
	cleo.sees(`ben.*: are you there\?`)
	ben.interrupt()
	ben.exits(0)
	if told := regexp.MustCompile(missing).FindAllString(strings.Join(ben.seen, "\n"), -1); len(told) != 1 {
		t.Errorf("told %d times who did not get it:\n%s", len(told), strings.Join(ben.seen, "\n"))
	}
	cleo.types("anybody?\r/groups\r")
	cleo.sees(`your groups`)
	cleo.types("\x03")
	cleo.sees(`peers are not known to have got`)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestNoColour(t *testing.T) {
	n := newNetwork(t)
	cmd := n.command("chat", "--group", "room", "--name", "ana")
	cmd.Env = append(cmd.Env, "NO_COLOR=1")
	screen := open(t, cmd)
	screen.sees(`\* You are ana in room`)
	screen.types("\x04") // Ctrl-D
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestListenOnTerminal(t *testing.T) {
	n := newNetwork(t)
	screen := open(t, n.command("listen", "--group", "room"))
	p := n.start("shout", "--group", "room", "--name", "ben", strings.Repeat("long\a", 2000))
	p.exits(0)
	screen.sees(`\d\d:\d\d:\d\d  enter +ben +sealed +\r\n`)
	screen.sees(`shout +ben +sealed +room +long\\along.*… \(10000 octets\)\r\n`)
}

// TestTableIsKeptUpToDate watches a peer come, talk and go, while the terminal gets another
// width, and leaves it as it was.
func TestTableIsKeptUpToDate(t *testing.T) {
	n := newNetwork(t)
	cmd := n.command("peers", "--watch", "--group", "room")
	screen := open(t, cmd)
	screen.sees(`\x1b\[\?1049h\x1b\[\?25l\x1b\[\?7l\x1b\[H\x1b\[K0 peers at [0-9:]{8}; q ends`)
	ana := n.start("chat", "--group", "room", "--name", "ana")
	screen.sees(`\x1b\[H\x1b\[K1 peers at `)
	screen.sees(`NAME +ID +PROTECTION +ROUND TRIP +IN +OUT +GROUPS\r\n`)
	screen.sees(`join +ana +sealed +room`)
	screen.sees(`ana +[0-9a-f]{8} +sealed +\d\S+s +0/s 0 +0/s 0 +room\r\n`)
	ana.sees(`joined room`)
	ana.says("hello")
	screen.sees(`ana +[0-9a-f]{8} +sealed +\S+ +\d/s [1-9]\d* +0/s 0 +room\r\n`)
	screen.resize(120)
	screen.sees(`NAME +ID +ADDRESS +PROTECTION +ROUND TRIP.*\r\n.*ana +\S+ +127`)
	screen.resize(40)
	screen.sees(`NAME +ID +ROUND T\S* +IN +GRO`)
	ana.says("/quit")
	screen.sees(`0 peers at (.|\r\n)*exit +ana +s`)
	screen.types("q")
	screen.sees(`\x1b\[\?7h\x1b\[\?25h\x1b\[\?1049l`)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestTableEnds ends the table by a key that is an interrupt elsewhere, and by a signal.
func TestTableEnds(t *testing.T) {
	for name, end := range map[string]func(*terminal, *exec.Cmd) error{
		"key":    func(m *terminal, _ *exec.Cmd) error { m.types("\x03"); return nil },
		"signal": func(_ *terminal, cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			cmd := n.command("peers", "--watch")
			screen := open(t, cmd)
			screen.sees(`0 peers at `)
			if err := end(screen, cmd); err != nil {
				t.Fatal(err)
			}
			screen.sees(`\x1b\[\?7h\x1b\[\?25h\x1b\[\?1049l`)
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestShoutToSuspect shouts to a group whose only member takes nothing more and is
// suspect: the error says that, and nothing of seals.
func TestShoutToSuspect(t *testing.T) {
	n := newNetwork(t)
	ana := n.start("listen", "--group", "room", "--name", "ana")
	node, err := once.Start(t.Context(), once.Config{Interfaces: []string{"lo"}, BeaconPort: n.port,
		Evasive: 200 * time.Millisecond, Silent: 400 * time.Millisecond, Linger: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	room := members(node, "room")
	if err := room.await(t.Context(), 10*time.Second, func(once.Event) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := ana.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = room.send(t.Context(), make([]byte, 1<<18))
	}
	if want := `nobody in group "room" answers, or has room for more: nothing was sent`; err.Error() != want {
		t.Errorf("the error is %q, not %q", err, want)
	}
	if err := ana.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
