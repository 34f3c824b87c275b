//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// miniChains are those that miniupnpd keeps its rules in.
const miniChains = `table inet mini {
	chain forward { type filter hook forward priority -1; jump mini
	}
	chain mini {
	}
	chain prerouting { type nat hook prerouting priority -101; jump premini
	}
	chain premini {
	}
	chain postrouting { type nat hook postrouting priority 99; jump postmini
	}
	chain postmini {
	}
}
`

// miniConfig is how it is told to: it takes only an address of the real internet for its
// outer one, which the lab's is.
const miniConfig = `ext_ifname=wan
ext_ip=%s
listening_ip=lan
port=5000
enable_natpmp=%s
enable_upnp=yes
min_lifetime=120
max_lifetime=86400
secure_mode=yes
uuid=00000000-0000-0000-0000-000000000001
upnp_table_name=mini
upnp_nat_table_name=mini
upnp_forward_chain=mini
upnp_nat_chain=premini
upnp_nat_postrouting_chain=postmini
allow 1024-65535 0.0.0.0/0 1024-65535
`

// runMiniupnpd runs Debian's miniupnpd in a router whose outer address is at, and returns what
// ends it. It maps by PCP, too, if it is told to.
func (l *lab) runMiniupnpd(program, router, at, pcp, logs string) (end func(), err error) {
	l.rules(router, "table inet mini\ndelete table inet mini\n"+miniChains)
	config := filepath.Join(logs, router+".conf")
	if l.err != nil {
		return nil, l.err
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, miniConfig, at, pcp), 0o600); err != nil {
		return nil, err
	}
	c := exec.Command("ip", "netns", "exec", router, program, "-d", "-f", config, "-P", "/run/"+router+".pid")
	out, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return nil, err
	}
	end = func() { _ = c.Process.Kill(); _ = c.Wait() }
	ready := "HTTP listening"
	if pcp == "yes" {
		ready = "Listening for NAT-PMP/PCP"
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), ready) {
			go func() {
				for lines.Scan() {
				}
			}()
			return end, nil
		}
	}
	end()
	return nil, fmt.Errorf("%s does not start in %s", program, router)
}
