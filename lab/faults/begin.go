//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// begin starts the nodes behind a proxy, and waits until they know each other.
func (p *play) begin(short bool) (err error) {
	p.short = short
	if p.proxy, err = newProxy(p.ctx, p.nodes); err != nil {
		return err
	}
	for i := range p.processes {
		if err = p.start(i, 1); err != nil {
			return err
		}
	}
	for i, one := range p.processes {
		for _, other := range p.processes[i+1:] {
			if err = p.meet(one, other); err != nil {
				return err
			}
		}
	}
	return p.present()
}

// birth is what a node is told first, wherever it is.
func (p *play) birth(number int) birth {
	b := birth{Nodes: p.nodes, Me: number, Life: 1, Security: p.mode}
	if p.mode != once.SecurityPlain { // else nobody has an identity
		b.Dir = filepath.Join(p.dir, fmt.Sprint("identity ", number))
	}
	return b
}

// start starts a node behind the proxy, in a life of its own.
func (p *play) start(number int, life uint32) (err error) {
	b, front := p.birth(number), p.proxy.fronts[number]
	b.Life, b.Advertise, b.Short = life, front.endpoint, p.short
	if p.short {
		b.Taken = filepath.Join(p.dir, fmt.Sprint("taken ", number))
	}
	p.processes[number], err = startProcess(p.ctx, b)
	if err == nil {
		at, _, _ := strings.Cut(strings.TrimPrefix(p.processes[number].Endpoint, "tcp://"), "|")
		front.leads(at)
		p.proxy.runs(number, p.processes[number].command.Process.Pid)
	}
	return err
}

// meet has one node connect to another, through the proxy.
func (p *play) meet(one, other *process) error {
	endpoint := p.proxy.fronts[other.Me].endpoint
	if _, key, secure := strings.Cut(other.Endpoint, "|"); secure {
		endpoint += "|" + key
	}
	_, err := one.tell(order{Do: "meet", UUID: other.UUID, Endpoint: endpoint})
	return err
}

// host starts a server that lends circuits, or not.
func (p *play) host(relays string) (*host, error) {
	h, err := newHost(p.ctx, filepath.Join(p.dir, "server "+relays), relays)
	if err == nil {
		p.hosts = append(p.hosts, h)
	}
	return h, err
}

// join starts a node that meets others over servers, by a clock that is ahead of all others.
func (p *play) join(number int, ahead time.Duration, servers ...string) (err error) {
	b := p.birth(number)
	b.Ahead, b.Servers = ahead, servers
	p.processes[number], err = startProcess(p.ctx, b)
	return err
}
