package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceask"
	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// reply is what has come of a question.
type reply struct {
	*Event
	err error
}

// asks asks a peer something, and returns where what comes of it will be.
func (a *actor) inquires(ctx context.Context, of *actor, words ...string) <-chan reply {
	told := make(chan reply, 1)
	go func() {
		e, err := a.Ask(ctx, of.UUID(), text(words...))
		told <- reply{e, err}
	}()
	return told
}

// asked returns the number of the next event, which has to be a question.
func (a *actor) asked(words string) uint64 {
	a.lan.t.Helper()
	e, err := a.Recv(a.lan.t.Context())
	a.must(err)
	if e.Type() != api.EventTypeWhisper || e.Question() == 0 || string(e.Msg()[0]) != words {
		a.lan.t.Fatalf("%s got %v %q with question %d, want a question %q", a.Name(), e.Type(), e.Msg(), e.Question(), words)
	}
	return e.Question()
}

// settled expects that no question waits at a node any more, neither its own nor another's.
func (a *actor) settled() {
	a.lan.t.Helper()
	if len(a.asks.waiting)+len(a.asks.to)+len(a.questions.open)+len(a.questions.of) > 0 {
		a.lan.t.Errorf("%s has questions left: %v, %v, %v, %v", a.Name(), a.asks.waiting, a.asks.to, a.questions.open, a.questions.of)
	}
}

// fails expects errors of a question.
func (r reply) fails(t *testing.T, kinds ...error) {
	t.Helper()
	for _, kind := range kinds {
		if !errors.Is(r.err, kind) {
			t.Errorf("%v, want %v", r.err, kind)
		}
	}
	if errors.Is(r.err, api.ErrNoAnswer) && errors.Is(r.err, api.ErrUndelivered) {
		t.Errorf("%v says both", r.err)
	}
}

// TestAsk has questions answered in another order than they were asked in, and once each.
func TestAsk(t *testing.T) {
	for _, security := range levels {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				ana, ben := newLAN(t).couple(0, with(security))
				first := ana.inquires(ctx, ben, "1+1", "")
				one := ben.asked("1+1")
				second := ana.inquires(ctx, ben, "1/0")
				two := ben.asked("1/0")
				ben.must(ben.Reply(ctx, two, 7, text("no", "such number")))
				ben.must(ben.Reply(ctx, one, 0, text("2")))
				if r := <-second; r.err != nil || r.Status() != 7 || string(r.Msg()[1]) != "such number" || r.Peer().UUID() != ben.UUID() {
					t.Errorf("%v, %v", r.Event, r.err)
				}
				if r := <-first; r.err != nil || r.Status() != 0 || string(r.Msg()[0]) != "2" || r.Type() != api.EventTypeWhisper {
					t.Errorf("%v, %v", r.Event, r.err)
				}
				for _, number := range []uint64{one, two, 0, one + 9} {
					if err := ben.Reply(ctx, number, 0, text("again")); !errors.Is(err, api.ErrAnswered) {
						t.Errorf("a reply to question %d: %v", number, err)
					}
				}
				ana.settled()
				ben.settled()
				if _, err := ana.Ask(ctx, ana.UUID(), text("who am I?")); !errors.Is(err, api.ErrSelf) {
					t.Errorf("of itself: %v", err)
				}
				if _, err := ana.Ask(ctx, mallory, text("who?")); !errors.Is(err, api.ErrNoPeer) {
					t.Errorf("of nobody: %v", err)
				}
				large := [][]byte{make([]byte, ana.settings.MaxMessage)}
				if _, err := ana.Ask(ctx, ben.UUID(), large); !errors.Is(err, api.ErrTooLarge) {
					t.Errorf("too much: %v", err)
				}
				late := ana.inquires(ctx, ben, "what?")
				three := ben.asked("what?")
				if err := ben.Reply(ctx, three, 0, large); !errors.Is(err, api.ErrTooLarge) {
					t.Errorf("too much: %v", err)
				}
				ben.must(ben.Whisper(ctx, ana.UUID(), text("before")))
				ben.must(ben.Reply(ctx, three, 0, text("that")))
				if r := <-late; r.err != nil {
					t.Error(r.err)
				}
				over, cancel := context.WithCancel(ctx)
				cancel()
				if e, err := ana.Recv(over); err != nil || string(e.Msg()[0]) != "before" { // it need not wait for that
					t.Errorf("what was said before the answer comes after it: %v", err)
				}
				ana.settled()
				ben.settled()
			})
		})
	}
}

// TestUnanswered ends the wait for an answer in each way there is: the error says whether the
// peer has the question.
func TestUnanswered(t *testing.T) {
	for _, security := range levels {
		run := func(name string, test func(t *testing.T, l *lan, ana, ben *actor)) {
			t.Run(fmt.Sprint(name, "/", security), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLAN(t)
					ana, ben := l.couple(0, with(security))
					test(t, l, ana, ben)
					ana.settled()
				})
			})
		}
		run("no answer in time", func(t *testing.T, l *lan, ana, ben *actor) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			told := ana.inquires(ctx, ben, "what?")
			number := ben.asked("what?")
			(<-told).fails(t, api.ErrNoAnswer, context.DeadlineExceeded)
			ben.must(ben.Reply(t.Context(), number, 0, text("late")))
			ben.must(ben.Flush(t.Context()))
			if n := ana.Counts()["answers that nobody waits for"]; n != 1 {
				t.Errorf("counted %d", n)
			}
			ben.settled()
			ana.idle(time.Second)
		})
		run("not delivered in time", func(t *testing.T, l *lan, ana, ben *actor) {
			l.memory.Partition(ana.host, ben.host, true)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			(<-ana.inquires(ctx, ben, "what?")).fails(t, api.ErrUndelivered, context.DeadlineExceeded)
			l.memory.Partition(ana.host, ben.host, false)
			ben.asked("what?") // it cannot be taken back
		})
		run("the peer leaves", func(t *testing.T, l *lan, ana, ben *actor) {
			told := ana.inquires(t.Context(), ben, "what?")
			ben.asked("what?")
			ana.must(ana.Flush(t.Context()))
			ben.Stop()
			(<-told).fails(t, api.ErrNoAnswer)
		})
		run("the peer vanishes", func(t *testing.T, l *lan, ana, ben *actor) {
			known := ana.inquires(t.Context(), ben, "what?")
			ben.asked("what?")
			ana.must(ana.Flush(t.Context()))
			l.memory.Partition(ana.host, ben.host, true)
			unknown := ana.inquires(t.Context(), ben, "and this?")
			synctest.Wait()
			ben.vanishes()
			(<-known).fails(t, api.ErrNoAnswer)
			(<-unknown).fails(t, api.ErrUndelivered)
			for line := ""; line != context.DeadlineExceeded.Error(); line = ana.next(time.Minute) {
				if len(line) > 11 && line[:11] == "undelivered" {
					t.Errorf("what Ask has told comes back: %s", line)
				}
			}
		})
		run("the asker stops", func(t *testing.T, l *lan, ana, ben *actor) {
			told := ana.inquires(t.Context(), ben, "what?")
			number := ben.asked("what?")
			ana.must(ana.Flush(t.Context()))
			ana.Stop()
			(<-told).fails(t, api.ErrNoAnswer, api.ErrStopped)
			ben.wants("exit ana left")
			if err := ben.Reply(t.Context(), number, 0, text("late")); !errors.Is(err, api.ErrAnswered) {
				t.Errorf("a reply to who is gone: %v", err)
			}
			ben.settled()
		})
		run("the answer is lost", func(t *testing.T, l *lan, ana, ben *actor) {
			told := ana.inquires(t.Context(), ben, "what?")
			number := ben.asked("what?")
			ana.must(ana.Flush(t.Context()))
			l.memory.Partition(ana.host, ben.host, true)
			ben.must(ben.Reply(t.Context(), number, 0, text("this", "and that")))
			ana.vanishes()
			(<-told).fails(t, api.ErrNoAnswer, api.ErrStopped)
			if line := ben.next(time.Minute); line != "suspect ana" {
				t.Errorf("ben is told %q", line)
			}
			ben.wants(`undelivered ana "this" "and that"`)
		})
	}
}

// TestAskOverCutLinks has two nodes ask each other much while the links between them are cut
// again and again: each question comes once, and each has its answer.
func TestAskOverCutLinks(t *testing.T) {
	for seed := range uint64(4) {
		for _, security := range levels {
			t.Run(fmt.Sprint(seed, "/", security), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const questions = 600
					chance := rand.New(rand.NewPCG(seed, 2))
					l := newLAN(t)
					ana, ben := l.couple(0, with(security))
					nodes := [2]*actor{ana, ben}
					var asking, answering, cuts sync.WaitGroup
					for i, a := range nodes {
						pause := time.Duration(chance.IntN(3000)) * time.Microsecond
						answering.Go(func() {
							seen := map[string]bool{}
							for range questions {
								e, err := a.Recv(t.Context())
								if err != nil || e.Question() == 0 || seen[string(e.Msg()[0])] {
									t.Errorf("%s gets %v %q again, %v", a.Name(), e.Type(), e.Msg(), err)
									return
								}
								seen[string(e.Msg()[0])] = true
								number, content := e.Question(), [][]byte{[]byte("to " + string(e.Msg()[0])), make([]byte, 3000)}
								answering.Go(func() { a.must(a.Reply(t.Context(), number, 0, content)) })
							}
						})
						asking.Go(func() {
							for n := range questions {
								words := fmt.Sprint(a.Name(), n)
								asking.Go(func() {
									r := <-a.inquires(t.Context(), nodes[1-i], words)
									if r.err != nil || string(r.Msg()[0]) != "to "+words {
										t.Errorf("asked %s: %v", words, r.err)
									}
								})
								time.Sleep(pause)
							}
						})
					}
					over := make(chan struct{})
					cuts.Go(func() {
						for {
							select {
							case <-over:
								return
							case <-time.After(time.Duration(chance.IntN(100)) * time.Millisecond):
								l.memory.Cut(nodes[chance.IntN(2)].host)
							}
						}
					})
					asking.Wait()
					answering.Wait()
					close(over)
					cuts.Wait()
					for _, a := range nodes {
						a.idle(time.Minute)
						a.settled()
					}
				})
			})
		}
	}
}

// TestAskPlain asks a peer of RFC 36, which gets nothing that it does not know.
func TestAskPlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		o := l.obedient(ana)
		defer o.close()
		ana.wants("enter mallory")
		if _, err := ana.Ask(t.Context(), mallory, text("what?")); !errors.Is(err, api.ErrNoQuestions) {
			t.Errorf("%v", err)
		}
		o.say(frame(&zremsg.Exchange{Sequence: 2}, head(t, &onceask.Question{Number: 1}), []byte("what?")))
		ana.idle(time.Second)
		if n := ana.Counts()["questions and answers that are malformed, or in no channel"]; n != 1 {
			t.Errorf("counted %d", n)
		}
		ana.settled()
	})
}

func head(t *testing.T, m onceask.Message) []byte {
	b, err := m.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestQuestionsAreBounded has a node ask more than may wait, and be asked so.
func TestQuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ana, ben := newLAN(t).couple(0)
		ctx, cancel := context.WithCancel(t.Context())
		var told []<-chan reply
		for range onceask.MaxToAPeer {
			told = append(told, ana.inquires(ctx, ben, "what?"))
		}
		first := ben.asked("what?")
		for range onceask.MaxToAPeer - 1 {
			ben.asked("what?")
		}
		(<-ana.inquires(ctx, ben, "and?")).fails(t, api.ErrQuestions)
		ana.must(ana.Flush(ctx))
		cancel()
		for _, one := range told {
			(<-one).fails(t, api.ErrNoAnswer, context.Canceled)
		}
		ana.settled()
		last := ana.inquires(t.Context(), ben, "and now?")
		number := ben.asked("and now?") // in whose place the oldest has gone
		if err := ben.Reply(t.Context(), first, 0, text("late")); !errors.Is(err, api.ErrAnswered) {
			t.Errorf("the oldest: %v", err)
		}
		ben.must(ben.Reply(t.Context(), number, 0, text("yes")))
		if r := <-last; r.err != nil {
			t.Error(r.err)
		}
		if n := len(ben.questions.open); n != onceask.MaxToAPeer-1 {
			t.Errorf("%d questions wait", n)
		}
		// No peer may take the places of others, once there are none left.
		c := ben.table.find(ana.UUID())
		ben.questions.mu.Lock()
		for n := uint64(1); len(ben.questions.open) < onceask.MaxOfANode; n++ {
			ben.questions.open[n] = asking{c, n}
		}
		mine := ben.questions.of[c]
		delete(ben.questions.of, c)
		ben.questions.mu.Unlock()
		if n := ben.questions.add(c, 1); n != 0 {
			t.Errorf("one too many has number %d", n)
		}
		ben.questions.mu.Lock()
		ben.questions.of[c] = mine
		ben.questions.mu.Unlock()
		if n := ben.questions.add(c, 1); n == 0 || len(ben.questions.open) != onceask.MaxOfANode {
			t.Errorf("its own oldest is not forgotten: %d", n)
		}
	})
}

// TestHostileAnswers has eve answer what others were asked, guess, repeat, flood, and say what
// is no answer.
func TestHostileAnswers(t *testing.T) {
	for _, security := range levels {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				l := newLAN(t)
				ana, ben, eve := l.node("ana", with(security)), l.node("ben", with(security)), l.node("eve", with(security))
				for _, a := range []*actor{ana, ben, eve} {
					defer a.Stop()
					a.next(time.Minute)
					a.next(time.Minute)
				}
				says := func(m onceask.Message) {
					_, err := eve.sender.Load().Exchange(ctx, eve.table.find(ana.UUID()), m)
					eve.must(err)
				}
				counted := func(name string, want uint64) {
					t.Helper()
					eve.must(eve.Flush(ctx))
					if n := ana.Counts()[name]; n != want {
						t.Errorf("%q counted %d times, want %d", name, n, want)
					}
				}
				told := ana.inquires(ctx, ben, "what?")
				number := ben.asked("what?")
				asked := ana.asks.last
				says(&onceask.Answer{Number: asked, Content: text("from eve")}) // it is ben who was asked
				counted("answers that nobody waits for", 1)
				for n := range uint64(1000) {
					says(&onceask.Answer{Number: asked - 500 + n, Content: text("a guess")})
				}
				counted("answers that nobody waits for", 1001)
				ben.must(ben.Reply(ctx, number, 0, text("from ben")))
				if r := <-told; r.err != nil || string(r.Msg()[0]) != "from ben" {
					t.Errorf("the answer is %v, %v", r.Event, r.err)
				}
				mine := ana.inquires(ctx, eve, "and you?")
				eve.asked("and you?")
				for range 3 {
					says(&onceask.Answer{Number: ana.asks.last, Content: text("so")})
				}
				if r := <-mine; r.err != nil {
					t.Error(r.err)
				}
				counted("answers that nobody waits for", 1003)
				says(&onceask.Question{Number: 1, Content: text("one")})
				says(&onceask.Question{Number: 1, Content: text("one")}) // whose number it is, eve has to know
				one, other := ana.asked("one"), ana.asked("one")
				ana.must(ana.Reply(ctx, one, 0, text("1")))
				ana.must(ana.Reply(ctx, other, 0, text("1")))
				ana.must(ana.Flush(ctx))
				if n := eve.Counts()["answers that nobody waits for"]; n != 2 {
					t.Errorf("eve has counted %d", n)
				}
				for n := range uint64(3 * onceask.MaxToAPeer) {
					says(&onceask.Question{Number: n, Content: text("flood")})
				}
				eve.must(eve.Flush(ctx))
				if n := len(ana.questions.open); n != onceask.MaxToAPeer {
					t.Errorf("%d questions wait", n)
				}
				ben.must(ben.Whisper(ctx, ana.UUID(), text("still here")))
				for range 3 * onceask.MaxToAPeer {
					ana.asked("flood")
				}
				ana.wants(`whisper ben "still here"`)
				eve.Stop()
				ana.wants("exit eve left")
				ana.settled()
			})
		})
	}
}

// TestExchangeIsNotForged takes nothing for a question or an answer that is not sealed as such.
func TestExchangeIsNotForged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ana, ben := newLAN(t).couple(0)
		told := ana.inquires(t.Context(), ben, "what?")
		number := ben.asked("what?")
		forged := [][]byte{head(t, &onceask.Answer{Number: ana.asks.last}), []byte("forged")}
		ben.must(ben.Whisper(t.Context(), ana.UUID(), forged))
		e, err := ana.Recv(t.Context())
		ana.must(err)
		if e.Type() != api.EventTypeWhisper || string(e.Msg()[1]) != "forged" || e.Question() != 0 {
			t.Errorf("what is whispered comes as %v %q", e.Type(), e.Msg())
		}
		ben.must(ben.Reply(t.Context(), number, 0, text("true")))
		if r := <-told; r.err != nil || string(r.Msg()[0]) != "true" {
			t.Errorf("%v, %v", r.Event, r.err)
		}
		// Who is between the two can change what a message is called, but not what is sealed in it.
		path := ben.table.find(ana.UUID()).Path()
		if _, err := path.Control(&zremsg.Exchange{}, nil, nil, false); err != nil {
			t.Fatal(err)
		}
		ana.wants("exit ben broken") // as after anything else that is not sealed where all is
		if n := ana.Counts()["content that is not sealed"]; n == 0 {
			t.Errorf("counts: %v", ana.Counts())
		}
	})
}
