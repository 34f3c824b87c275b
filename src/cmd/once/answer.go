package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/files"
)

// Statuses of answers that are not the command's own, which has 1 to 255.
const (
	statusUnwelcome = 256 // --from names others
	statusBusy      = 257 // too many questions wait
	statusLate      = 258 // the command took too long
	statusUnstarted = 259 // it could not be started
	statusTooMuch   = 260 // its output is too long
)

// How many questions may wait for their turn; more are not answered.
const mostWaiting = 64

// answering is what answer was asked for, and how it goes.
type answering struct {
	command []string
	from    []string
	atOnce  uint64
	timeout time.Duration
	max     octetCount
	count   uint64
	asJSON  bool

	node    *once.Node
	running chan struct{} // holds a token for each command that runs
	pending chan struct{} // and one for each question that is looked at
	work    sync.WaitGroup
	flooded sync.Once

	mu       sync.Mutex // guards what follows
	answered uint64
	failed   error // of who reads standard output
	enough   context.CancelFunc
}

func answerCommand(with *common) *cobra.Command {
	a := &answering{atOnce: 4, max: 1e6}
	cmd := &cobra.Command{
		Use:   "answer --exec COMMAND [--from NAME]... [--at-once 4] [--timeout 30s] [--max 1M] [--count N] [--json] [--] [ARG]...",
		Short: "answer the questions of peers with what a command prints",
		Long: `Answer runs a command for each question that once ask, or another program, asks
this node, until interrupted. No shell is involved: COMMAND is a program, and
the ARGs are its arguments; what was asked is its standard input and never part
of its command line. What it prints on standard output is the answer, and an
exit status other than 0 makes it an error with that status; 128 and the number
of a signal that ended it. ONCE_PEER in its environment is the id of who asks,
ONCE_PEER_NAME the name, and ONCE_PEER_PROTECTION what protects the question.

Who may ask is whoever can be met: in a network of members only those, else
anybody, unless --from says who. Names are not unique, ids are. These statuses
are not the command's: 256 it is not for who asks, 257 too many wait, 258 it
took longer than --timeout and was ended, 259 it could not be started, 260 it
has printed more than --max.

A line tells of each question; with --json an object, with time, peer, name,
status, octets (of the answer), seconds, and error if there was one.`,
		Example: `  once answer --name clock --exec date
  once answer --exec ./sensor --from ana --timeout 2s -- --unit celsius
  once answer --at-once 1 --json --exec jq -- -r .question`,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := exec.LookPath(a.command[0])
			if err != nil {
				return usage("%s %s: %w", with.typed("exec"), cut(a.command[0], cellWidth), err)
			}
			if uint64(a.max) > maxMessage {
				return usage("%s: give at most %d", with.typed("max"), maxMessage)
			}
			for _, name := range a.from {
				if err := checkName(with.typed("from"), name); err != nil {
					return err
				}
			}
			a.command = append([]string{path}, args...)
			return a.run(cmd.Context(), with)
		},
	}
	flags := cmd.Flags()
	flags.Var(program{&a.command}, "exec", "`COMMAND` to run, a program; it is no line of a shell")
	must(cmd.MarkFlagRequired("exec"))
	flags.StringArrayVar(&a.from, "from", nil, "`NAME-or-UUID` to answer, and nobody else; may be repeated")
	flags.Var(counting{&a.atOnce}, "at-once", "run at most `N` commands at once")
	timeFlag(flags, &a.timeout, "timeout", defaultTimeout, "how long a command may take")
	flags.Var(&a.max, "max", "most `OCTETS` of an answer, such as 10K")
	flags.Var(counting{&a.count}, "count", "end after `N` answers")
	jsonFlag(flags, &a.asJSON)
	return cmd
}

// program is a flag for a program to run.
type program struct{ command *[]string }

func (p program) String() string {
	if p.command == nil || len(*p.command) == 0 {
		return ""
	}
	return (*p.command)[0]
}
func (p program) Type() string { return "string" }

func (p program) Set(text string) error {
	if text == "" {
		return errors.New("give a program")
	}
	*p.command = []string{text}
	return nil
}

// run answers until ctx ends, or as often as was asked for.
func (a *answering) run(ctx context.Context, with *common) (err error) {
	if a.node, err = with.start(ctx, os.Stderr); err != nil {
		return err
	}
	defer a.node.Close()
	a.running, a.pending = make(chan struct{}, a.atOnce), make(chan struct{}, a.atOnce+mostWaiting)
	ctx, a.enough = context.WithCancel(ctx)
	defer a.work.Wait()
	defer a.enough()
	for {
		event, err := a.node.Next(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			a.work.Wait()
			return a.failed
		default:
			return because(ctx, a.node, err)
		}
		_ = warnOf(event)
		if e, ok := event.(*once.Whisper); ok && e.Question != once.NoQuestion && !files.Is(e) {
			a.take(ctx, e)
		}
	}
}

// asked is a question to be answered.
type asked struct {
	peer       once.Peer
	question   once.Question
	content    []byte
	protection once.Protection
	at         time.Time
}

// take answers a question, when it has its turn.
func (a *answering) take(ctx context.Context, e *once.Whisper) {
	select {
	case a.pending <- struct{}{}:
	default: // its sender does not wait for ever
		a.flooded.Do(func() { fmt.Fprintln(os.Stderr, "once: more questions come than can wait: some get no answer") })
		return
	}
	q := &asked{e.Peer, e.Question, slices.Concat(e.Content...), e.Peer.Protection(), time.Now()}
	full := len(a.pending) == cap(a.pending)
	a.work.Go(func() {
		defer func() { <-a.pending }()
		switch {
		case !a.welcome(q.peer):
			a.reply(ctx, q, statusUnwelcome, []byte("questions of this peer are not answered here"))
			return
		case full:
			a.reply(ctx, q, statusBusy, []byte("too many questions wait: ask again later"))
			return
		}
		select {
		case a.running <- struct{}{}:
			defer func() { <-a.running }()
		case <-ctx.Done():
			return
		}
		status, content := a.execute(ctx, q)
		if ctx.Err() == nil {
			a.reply(ctx, q, status, content)
		}
	})
}

// welcome tells whether a peer is to be answered.
func (a *answering) welcome(peer once.Peer) bool {
	return len(a.from) == 0 || slices.ContainsFunc(a.from, func(who string) bool {
		return len(resolve(who, []known{knownPeer(peer)})) > 0
	})
}

// execute runs the command for a question, and returns what there is to say.
func (a *answering) execute(ctx context.Context, q *asked) (status uint32, content []byte) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.command[0], a.command[1:]...)
	output := &bounded{most: int(a.max), over: cancel}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(q.content), output, os.Stderr
	cmd.Env = append(os.Environ(), "ONCE_PEER="+q.peer.UUID().String(), "ONCE_PEER_NAME="+clean(q.peer.Name()),
		"ONCE_PEER_PROTECTION="+q.protection.String())
	cmd.WaitDelay = time.Second // for what it has started and that keeps its output open
	endsWhole(cmd)
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case output.full:
		return statusTooMuch, fmt.Appendf(nil, "the answer is longer than %d octets", a.max)
	case err != nil && ctx.Err() != nil:
		return statusLate, fmt.Appendf(nil, "there was no answer within %v", a.timeout)
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return 0, output.octets
	case !errors.As(err, &ended):
		fmt.Fprintln(os.Stderr, "once:", clean(err.Error()))
		return statusUnstarted, []byte("the command cannot be run")
	}
	if wait, ok := ended.Sys().(syscall.WaitStatus); ok && wait.Signaled() {
		return 128 + uint32(wait.Signal()), output.octets
	}
	return uint32(ended.ExitCode()), output.octets
}

// bounded is the output of a command, which is ended if it is too long.
type bounded struct {
	octets []byte
	most   int
	full   bool
	over   func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.octets)+len(p) > b.most {
		b.full = true
		b.over()
		return 0, io.ErrShortWrite
	}
	b.octets = append(b.octets, p...)
	return len(p), nil
}

// replyTime is how long an answer may wait for room in what is said to the peer.
const replyTime = 10 * time.Second

// reply answers a question, and tells of it.
func (a *answering) reply(ctx context.Context, q *asked, status uint32, content []byte) {
	ctx, cancel := context.WithTimeout(ctx, replyTime)
	defer cancel()
	var err error
	if status == 0 {
		err = a.node.Reply(ctx, q.question, content)
	} else {
		err = a.node.ReplyError(ctx, q.question, status, content)
	}
	fault, last := a.note(q, status, len(content), err)
	if last {
		fault = cmp.Or(fault, flush(ctx, a.node, replyTime))
	}
	if fault != nil || last {
		a.end(fault)
	}
}

// note takes note of an answer, and tells whether it is the last that was asked for.
func (a *answering) note(q *asked, status uint32, octets int, err error) (fault error, last bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.answered++
	}
	return a.tell(q, status, octets, err), err == nil && a.answered == a.count
}

// end ends the answering, for a fault or because there are enough answers.
func (a *answering) end(fault error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = cmp.Or(a.failed, fault)
	a.enough()
}

// answeredRecord is a question that was answered, as JSON.
type answeredRecord struct {
	Time    string  `json:"time"`
	Peer    string  `json:"peer"`
	Name    string  `json:"name"`
	Status  uint32  `json:"status"`
	Octets  int     `json:"octets"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"` // why the answer is not on its way
}

// tell tells of an answer.
func (a *answering) tell(q *asked, status uint32, octets int, err error) error {
	took := time.Since(q.at)
	if a.asJSON {
		r := answeredRecord{Time: q.at.UTC().Format(jsonTime), Peer: q.peer.UUID().String(), Name: q.peer.Name(),
			Status: status, Octets: octets, Seconds: took.Seconds()}
		if err != nil {
			r.Error = err.Error()
		}
		return writeJSON(os.Stdout, r)
	}
	text := fmt.Sprintf("%s: status %d, %s in %v", nameOf(q.peer), status, size(uint64(octets)), took.Round(time.Millisecond))
	if err != nil {
		text = fmt.Sprintf("%s: not answered: %s", nameOf(q.peer), clean(err.Error()))
	}
	_, fault := fmt.Fprintln(os.Stdout, text)
	return fault
}
