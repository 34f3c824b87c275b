package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// startWithPath starts the program where it finds others.
func (n network) startWithPath(args ...string) *process {
	n.t.Helper()
	cmd := n.command(args...)
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
	return n.run(cmd)
}

// answers starts an answerer, and waits until somebody sees it.
func (n network) answers(watcher *process, name string, args ...string) *process {
	n.t.Helper()
	p := n.startWithPath(append([]string{"answer", "--name", name}, args...)...)
	watcher.sees(`\tenter\t\S+\t` + name + `\t`)
	return p
}

// TestAskAnswer asks and answers with whole command lines.
func TestAskAnswer(t *testing.T) {
	for _, program := range []string{"sh", "tr", "cat", "sleep"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	n := newNetwork(t)
	watcher := n.start("listen", "--name", "watcher")
	upper := n.answers(watcher, "upper", "--exec", "tr", "--", "a-z", "A-Z")
	n.answers(watcher, "echo", "--exec", "cat", "--json")
	n.answers(watcher, "three", "--exec", "sh", "--", "-c", "cat; exit 3")
	n.answers(watcher, "killed", "--exec", "sh", "--", "-c", "kill -9 $$")
	n.answers(watcher, "who", "--exec", "sh", "--", "-c", `echo "$ONCE_PEER_NAME $ONCE_PEER_PROTECTION"`)
	n.answers(watcher, "picky", "--exec", "cat", "--from", "somebody")
	n.answers(watcher, "slow", "--exec", "sh", "--timeout", "100ms", "--", "-c", "sleep 600 & sleep 600; wait")
	n.answers(watcher, "endless", "--exec", "sh", "--max", "1K", "--", "-c", "while :; do echo yes; done")
	n.answers(watcher, "deaf", "--exec", "sh", "--", "-c", "echo I do not read")
	for _, test := range []struct {
		status     int
		args       []string
		out, wrong string
	}{
		{0, []string{"upper", "what", "is", "up?"}, "WHAT IS UP?", `^$`},
		{0, []string{"echo", `$(exit 9); "x" 'y' \`}, `$(exit 9); "x" 'y' \`, `^$`},
		{0, []string{"--name", "somebody", "picky", "me?"}, "me?", `^$`},
		{0, []string{"--name", "zoe", "who", "am I?"}, "zoe sealed", `^$`},
		{0, []string{"--security", "plain", "--name", "zoe", "who", "am I?"}, "zoe plain", `^$`},
		{0, []string{"deaf", strings.Repeat("x", 100_000)}, "I do not read", `^$`},
		{1, []string{"three", "oh"}, "", `^once: three answers with status 3: oh\n$`},
		{1, []string{"killed", "oh"}, "", `^once: killed answers with status 137: \n$`},
		{1, []string{"--name", "zoe", "picky", "me?"}, "", `^once: picky answers with status 256: questions of this peer are not answered here\n$`},
		{1, []string{"slow", "now?"}, "", `^once: slow answers with status 258: there was no answer within 100ms\n$`},
		{1, []string{"endless", "more"}, "", `^once: endless answers with status 260: the answer is longer than 1000 octets\n$`},
		{1, []string{"--timeout", "200ms", "watcher", "hello?"}, "", `^once: watcher has the question, and has not answered it within 200ms\n$`},
		{1, []string{"--wait", "10ms", "nobody", "hello?"}, "", `^once: peer "nobody": nobody there within 10ms`},
		{2, []string{"upper"}, "", `use it as: once ask`},
	} {
		p := n.start(append([]string{"ask"}, test.args...)...)
		p.exits(test.status)
		p.complains(test.wrong)
		if got := strings.Join(p.seen, "\n"); got != test.out {
			t.Errorf("once ask %.40q prints %q, want %q", test.args, got, test.out)
		}
	}
	upper.sees(`^\S+: status 0, 11 B in `)
	upper.interrupt()
	upper.exits(0)
}

// TestAskAnswerJSON has programs told what has come of a question, on both sides.
func TestAskAnswerJSON(t *testing.T) {
	n := newNetwork(t)
	watcher := n.start("listen", "--name", "watcher", "--json")
	sh := n.startWithPath("answer", "--name", "sh", "--json", "--count", "3", "--exec", "sh", "--", "-c", `read a; echo "$a"; exit $a`)
	asked := func(status int, args ...string) (r answerRecord) {
		t.Helper()
		p := n.start(append([]string{"ask", "--json", "--name", "zoe"}, args...)...)
		p.exits(status)
		if len(p.seen) != 1 {
			t.Fatalf("it wrote %q", p.seen)
		}
		if err := json.Unmarshal([]byte(p.seen[0]), &r); err != nil || len(r.Peer) != 36 {
			t.Fatalf("%s: %v", p.seen[0], err)
		}
		return r
	}
	for status := range uint32(3) {
		want, result := min(status, 1), "answered"
		if status > 0 {
			result = "declined"
		}
		if r := asked(int(want), "sh", fmt.Sprint(status)); r.Name != "sh" || r.Result != result || *r.Status != status || r.Content[0] != fmt.Sprintln(status) {
			t.Errorf("asked for %d: %+v", status, r)
		}
	}
	sh.exits(0) // it has given three answers
	if len(sh.seen) != 3 {
		t.Fatalf("it wrote %q", sh.seen)
	}
	for status, line := range sh.seen {
		var r answeredRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Name != "zoe" || r.Status != uint32(status) || r.Octets != 2 || r.Error != "" {
			t.Errorf("%s: %v", line, err)
		}
	}
	if r := asked(1, "--timeout", "200ms", "watcher", "hello?"); r.Result != "unanswered" || r.Status != nil || r.Name != "watcher" {
		t.Errorf("without an answer: %+v", r)
	}
	watcher.sees(`"type":"whisper".*"question":[1-9][0-9]*,"content":\["hello\?"\]`)
	watcher.interrupt()
	watcher.exits(0)
}

// TestAnswerUsage calls answer wrongly.
func TestAnswerUsage(t *testing.T) {
	n := newNetwork(t)
	for line, want := range map[string]string{
		"answer":                           `^once: --exec COMMAND is needed, or ONCE_EXEC`,
		"answer --exec /nonexistent/x":     `^once: --exec /nonexistent/x: .*no such file`,
		"answer --exec date --at-once 0":   `^once: --at-once "0": give a number from 1 on`,
		"answer --exec date --timeout -1s": `^once: --timeout "-1s": give a time above 0`,
		"answer --exec date --max 1T":      `^once: --max: give at most \d+`,
	} {
		p := n.startWithPath(strings.Fields(line)...)
		p.exits(2)
		p.complains(want)
	}
}

// TestAnswerManyAtOnce asks more at once than is answered at once: all have their answers, and
// no more commands run at a time than may.
func TestAnswerManyAtOnce(t *testing.T) {
	n, dir := newNetwork(t), t.TempDir()
	watcher := n.start("listen", "--name", "watcher")
	script := `mkdir ` + dir + `/busy || exit 9; sleep 0.05; rmdir ` + dir + `/busy; cat`
	n.answers(watcher, "one", "--at-once", "1", "--exec", "sh", "--", "-c", script)
	var all []*process
	for i := range 4 {
		all = append(all, n.start("ask", "one", fmt.Sprint(i)))
	}
	for i, p := range all {
		if p.exits(0); len(p.seen) != 1 || p.seen[0] != fmt.Sprint(i) {
			t.Errorf("question %d has the answer %q", i, p.seen)
		}
	}
}
