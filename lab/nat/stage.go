//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// stage is a server and peers that run.
type stage struct {
	logs   string
	cast   map[string][]*actor // by the kinds of their sites
	server *exec.Cmd
	ends   []func()
}

// run starts a command in a namespace, which ends with the stage.
func (s *stage) run(space string, env []string, words ...string) (*exec.Cmd, io.WriteCloser, *bufio.Scanner, error) {
	c, in, out, err := start(space, filepath.Join(s.logs, space+".log"), env, words...)
	if err == nil {
		s.ends = append(s.ends, func() { _ = in.Close(); _ = c.Process.Kill(); _ = c.Wait() })
	}
	return c, in, out, err
}

func (s *stage) end() {
	for _, end := range s.ends {
		end()
	}
}

// raise starts a server, a proxy, gateways, and a peer in each host of the sites. The caller
// ends the stage, also after an error.
func (l *lab) raise(chosen []kind, sites map[string][]string, parts, logs string) (*stage, error) {
	s := &stage{logs: logs, cast: map[string][]*actor{}}
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return s, err
	}
	certificate := filepath.Join(logs, "certificate.pem")
	c, _, out, err := s.run("server", nil, "server", certificate)
	if err != nil {
		return s, err
	}
	s.server = c
	var addresses []string
	for len(addresses) < 2 && out.Scan() {
		addresses = append(addresses, out.Text())
	}
	if len(addresses) < 2 {
		return s, errors.New("the server does not start: see --logs")
	}
	_, _, out, err = s.run("proxy", nil, "proxy")
	if err != nil || !out.Scan() {
		return s, fmt.Errorf("the proxy does not start: %w", err)
	}
	for _, k := range chosen {
		for _, space := range sites[k.name] {
			if err := l.settle(s, k, space, parts, certificate, addresses); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// settle starts the gateway of a host, if its site has one, and its peer.
func (l *lab) settle(s *stage, k kind, space, parts, certificate string, addresses []string) error {
	if pcp, mini := strings.CutPrefix(k.mapped, "miniupnpd "); mini {
		end, err := l.runMiniupnpd(l.miniupnpd, "r"+space[1:], l.at(space), pcp, s.logs)
		if err != nil {
			return err
		}
		s.ends = append(s.ends, end)
	} else if k.mapped != "" {
		_, _, out, err := s.run("r"+space[1:], nil, "gateway", k.mapped)
		if err != nil || !out.Scan() {
			return fmt.Errorf("the gateway of %s (%s) does not start: %w", space, k.name, err)
		}
	}
	words := []string{"peer"}
	if parts == "nodes" {
		words = []string{"node", filepath.Join(s.logs, space+".identity")}
	}
	if words = append(words, addresses[0]); k.six {
		words = append(words, addresses[1])
	}
	env := []string{"SSL_CERT_FILE=" + certificate}
	if k.nat == "proxy" {
		env = append(env, "HTTPS_PROXY=http://"+proxyAt+":3128")
	}
	a, err := s.launch(k, space, words, env)
	if err == nil {
		s.cast[k.name] = append(s.cast[k.name], a)
	}
	return err
}

// launch starts a peer in a host, and waits until it is there.
func (s *stage) launch(k kind, space string, words, env []string) (*actor, error) {
	a := &actor{kind: k, space: space, words: words, env: env, news: make(chan struct{})}
	c, in, out, err := s.run(space, env, words...)
	if err != nil {
		return nil, err
	}
	a.input = in
	read := make(chan struct{})
	go func() {
		defer close(read)
		a.read(out)
	}()
	a.end = func() { // and its output with it
		_ = in.Close()
		<-read
		_ = c.Wait()
	}
	if _, ok := a.await(patience, func(r report) bool { return r.What == "here" }); !ok {
		return nil, fmt.Errorf("the peer in %s (%s) does not start: see --logs", space, k.name)
	}
	return a, nil
}
