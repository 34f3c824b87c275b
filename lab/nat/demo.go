//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// raiseNodes has nodes in sites of some kinds, with slowTrip there and back between hosts, which
// prepare has prepared. In the end over is called, whatever the error is.
func raiseNodes(names, logs string, prepare func(l *lab, sites map[string][]string)) (l *lab, s *stage, over func(), err error) {
	over = func() {}
	chosen, err := choose(false, names, "")
	if err != nil {
		return nil, nil, over, err
	}
	if logs == "" {
		if logs, err = os.MkdirTemp("", "natlab"); err != nil {
			return nil, nil, over, err
		}
		over = func() { _ = os.RemoveAll(logs) } // what is left is the system's to remove
	}
	l, sites, err := build(chosen, "")
	if err != nil {
		return nil, nil, over, err
	}
	l.wire.delay.Store(int64(slowTrip / 2))
	if prepare(l, sites); l.err != nil {
		return nil, nil, over, l.err
	}
	s, err = l.raise(chosen, sites, "nodes", logs)
	last := over
	return l, s, func() { s.end(); last() }, err
}

// show has two nodes behind NATs find each other through a server that is then killed while
// they talk; and once more when both were started again, and no server is there.
func show(logs string) error {
	l, s, over, err := raiseNodes("pr,prr", logs, func(*lab, map[string][]string) {})
	defer over()
	if err != nil {
		return err
	}
	ana, ben := s.cast["pr"][0], s.cast["prr"][1]
	fmt.Printf("demo: ana is %s, %s, and ben is %s, %s; %v lie between them\n", l.at(ana.space), ana.kind.says, l.at(ben.space), ben.kind.says, slowTrip)
	if _, ok := ana.await(patience, func(r report) bool { return r.What == "knows" && r.Peer == ben.id }); !ok {
		return errors.New("ana is not told of ben")
	}
	talk := conversation{ana: ana, ben: ben}
	say := talk.say
	if err := say("the server tells each where the other is"); err != nil {
		return err
	}
	if r, ok := ana.await(patience, func(r report) bool { return r.What == "found" && r.Peer == ben.id && r.Rung == "direct" }); !ok {
		return errors.New("they find no direct way")
	} else {
		fmt.Printf("demo: a direct way through both NATs stands (%s)\n", r.Rung)
	}
	if err := s.server.Process.Kill(); err != nil {
		return err
	}
	fmt.Println("demo: the server is killed")
	for range 3 {
		if err := say("without the server"); err != nil {
			return err
		}
	}
	return s.meetAgain(ana, ben)
}

// meetAgain has two that have met started again, without a server. Both NATs let through only
// what both sides dial.
func (s *stage) meetAgain(ana, ben *actor) error {
	var twins [2]*actor
	for i, a := range []*actor{ana, ben} {
		a.end()
		var err error
		if twins[i], err = s.launch(a.kind, a.space, a.words, a.env); err != nil {
			return err
		}
	}
	fmt.Println("demo: both are started again")
	if err := json.NewEncoder(twins[1].input).Encode(order{Reach: ana.id}); err != nil {
		return err
	}
	talk := conversation{ana: twins[0], ben: twins[1]}
	return talk.say("they know each other, and no server does")
}

// conversation is what ana says to ben.
type conversation struct {
	ana, ben *actor
	said     int
}

// say has ana say hello, and tells how soon ben has heard that.
func (c *conversation) say(what string) error {
	began := time.Now()
	if err := json.NewEncoder(c.ana.input).Encode(order{Reach: c.ben.id}); err != nil {
		return err
	}
	c.said++
	heard := 0
	fits := func(r report) bool {
		if r.What == "message" && r.Peer == c.ana.id {
			heard++
		}
		return heard >= c.said
	}
	for limit := time.Now().Add(patience); ; heard = 0 {
		news := c.ben.next()
		if r, ok := c.ben.await(0, fits); ok {
			fmt.Printf("demo: %s: ben has ana's message after %v, by way of %s\n", what, r.Time.Sub(began).Round(time.Millisecond), r.Rung)
			return nil
		}
		select {
		case <-news:
		case <-time.After(time.Until(limit)):
			return errors.New(what + ": ben does not hear ana")
		}
	}
}
