//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"

	"github.com/sjohnr/at-once/lab/nat/gateway"
)

// gatewayAt is a router's address in its LAN.
const gatewayAt = "192.168.1.1"

// runGateway maps ports of a router by a protocol, until standard input ends: see rules.
func runGateway(protocol string) error {
	nft := func(verb, element string) error {
		if out, err := exec.Command("nft", verb, "element", "ip", "nat", "mapped", "{", element, "}").CombinedOutput(); err != nil {
			return fmt.Errorf("nft %s element %s: %w: %s", verb, element, err, out)
		}
		return nil
	}
	g := &gateway.Gateway{
		Old: protocol == "pmp",
		Open: func(outer uint16, inner netip.AddrPort) error {
			return nft("add", fmt.Sprintf("%d : %s . %d", outer, inner.Addr(), inner.Port()))
		},
		Shut: func(outer uint16) error { return nft("delete", fmt.Sprint(outer)) },
	}
	if protocol == "pcp" {
		g.Kill(1) // which is found out, deleted, and made anew
	}
	if protocol != "upnp" {
		conn, err := net.ListenPacket("udp4", gatewayAt+":5351")
		if err != nil {
			return err
		}
		go g.ServeDatagrams(conn)
	} else {
		lan, err := net.InterfaceByName("lan")
		if err != nil {
			return err
		}
		searches, err := net.ListenMulticastUDP("udp4", lan, &net.UDPAddr{IP: net.IPv4(239, 255, 255, 250), Port: 1900})
		if err != nil {
			return err
		}
		web, err := net.Listen("tcp4", gatewayAt+":5000")
		if err != nil {
			return err
		}
		go gateway.ServeSearches(searches, "http://"+gatewayAt+":5000/root.xml")
		go func() { _ = http.Serve(web, g) }()
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
