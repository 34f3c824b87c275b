//go:build linux

// Command nat is a laboratory of NATs: sites behind every kind of them, an internet that
// takes its time, a rendezvous server, and in each site a peer. For every pair of sites it
// shows how the peers have found each other, and says what should not be so.
//
//	   server   proxy        open        wan of routers: 11.0.113.0/24, 2001:db8::/64
//	     │        │           │                │
//	═════╪════════╪═══════════╪═══════╪════════╪══════════   a switch with a delay (wire.go)
//	                                  │        │
//	                               carrier   router          NAT and firewall (sites.go)
//	                                  │        │
//	                               router    hosts           192.168.1.0/24 in each site
//	                                  │
//	                                hosts
//
// It needs root, ip, nft and /dev/net/tun, and says what is missing. All of it stands in
// namespaces of its own, and is gone when the command ends.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "natlab:", err)
		os.Exit(1)
	}
}

func do() error {
	role := ""
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	switch role {
	case "peer":
		return runPeer(os.Args[2:])
	case "node":
		return runNode(os.Args[2], os.Args[3:])
	case "server":
		return runServer(os.Args[2])
	case "proxy":
		return runProxy()
	case "gateway":
		return runGateway(os.Args[2])
	case "inside":
		return runLab(os.Args[2:])
	}
	if missing := missing(); missing != "" {
		fmt.Println("natlab: skipped:", missing)
		return nil
	}
	c := exec.Command("/proc/self/exe", append([]string{"inside"}, os.Args[1:]...)...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL,
	}
	return c.Run()
}

// missing says what the lab needs and does not have, nothing if it has all.
func missing() string {
	if os.Getuid() != 0 {
		return "it needs root, to make network namespaces"
	}
	for _, tool := range []string{"ip", "nft", "sysctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "it needs " + tool + ": apt-get install iproute2 nftables procps"
		}
	}
	if f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0); err != nil {
		return "it needs /dev/net/tun: " + err.Error()
	} else {
		_ = f.Close()
	}
	if err := exec.Command("unshare", "-nm", "nft", "add", "table", "ip", "nat").Run(); err != nil {
		return "it may not make network namespaces with rules of nft: " + err.Error()
	}
	return ""
}

// runLab runs all inside namespaces of its own.
func runLab(args []string) error {
	flags := flag.NewFlagSet("natlab", flag.ContinueOnError)
	short := flags.Bool("short", false, "only some kinds of sites, with 80 ms")
	only := flags.String("only", "", "only kinds with these `names`, commas between")
	trip := flags.Duration("trip", -1, "only with this `time` there and back between hosts; default 0 and 80 ms")
	keep := flags.String("logs", "", "`directory` where to leave what the peers log")
	miniupnpd := flags.String("miniupnpd", "", "`program` that maps ports for further sites")
	demo := flags.Bool("demo", false, "let two nodes behind NATs talk while their server is killed, and meet again without one, and no more")
	forget := flags.Bool("forget", false, "have NATs forget what they have mapped while two nodes talk, and no more")
	cast := flags.String("cast", "", "only with peers that are `nodes` of the library, or ladders without one; default both")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	for _, m := range []struct {
		what, where, kind string
		flags             uintptr
	}{{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE}, {"none", "/run", "tmpfs", 0}, {"none", "/proc", "proc", 0}} {
		if err := syscall.Mount(m.what, m.where, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.where, err)
		}
	}
	trips := []time.Duration{0, 80 * time.Millisecond}
	if *short {
		trips = trips[1:]
	}
	if *trip >= 0 {
		trips = []time.Duration{*trip}
	}
	switch {
	case *demo:
		return show(*keep)
	case *forget:
		return forgets(*keep)
	}
	chosen, err := choose(*short, *only, *miniupnpd)
	if err != nil {
		return err
	}
	casts := []string{"ladders", "nodes"}
	if *cast != "" {
		casts = []string{*cast}
	}
	return play(chosen, casts, trips, *keep, *miniupnpd)
}
