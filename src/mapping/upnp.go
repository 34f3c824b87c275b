package mapping

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"
)

// upnp is a gateway's WANIPConnection, of either version, or its WANPPPConnection.
type upnp struct {
	wan  wan
	name string
	own  net.IP
}

// wan is what goupnp has for each of them.
type wan interface {
	AddPortMappingCtx(ctx context.Context, remote string, outer uint16, protocol string, port uint16, client string, enabled bool, description string, life uint32) error
	DeletePortMappingCtx(ctx context.Context, remote string, outer uint16, protocol string) error
}

func (g *upnp) String() string { return "UPnP at " + g.name }

// Reasons of a gateway (WANIPConnection:1, 2.4.16): the port is another's, or it maps for
// ever or not at all.
const (
	conflict  = 718
	permanent = 725
)

func (g *upnp) Map(ctx context.Context, port, wanted uint16) (uint16, error) {
	life := uint32(Life / time.Second)
	var err error
	for range 4 {
		err = g.wan.AddPortMappingCtx(ctx, "", wanted, "TCP", port, g.own.String(), true, "once", life)
		switch codeOf(err) {
		case conflict:
			wanted = uint16(1024 + rand.IntN(65536-1024))
		case permanent:
			life = 0
		default:
			return wanted, err
		}
	}
	return 0, err
}

func codeOf(err error) int {
	fault := new(soap.SOAPFaultError)
	if !errors.As(err, &fault) {
		return 0
	}
	return fault.Detail.UPnPError.Errorcode
}

func (g *upnp) Unmap(ctx context.Context, _, outer uint16) error {
	return g.wan.DeletePortMappingCtx(ctx, "", outer, "TCP")
}

// maxPage is how much a device may answer to one question.
const maxPage = 256 << 10

// nearby asks only devices of this network, and reads no more than maxPage: anybody in it may
// say that a gateway is anywhere.
type nearby struct {
	http.RoundTripper
	within func(netip.Addr) bool
}

var errFar = errors.New("a gateway that is not in this network")

func (n nearby) RoundTrip(r *http.Request) (*http.Response, error) {
	ip, err := netip.ParseAddr(r.URL.Hostname())
	if err != nil || !n.within(ip.Unmap()) {
		return nil, errFar
	}
	answer, err := n.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxPage), answer.Body}
	}
	return answer, err
}

// private tells whether an address is one that gateways have inside.
func private(ip netip.Addr) bool { return ip.IsPrivate() || ip.IsLinkLocalUnicast() }

var devices = http.Client{Timeout: patience, Transport: nearby{&http.Transport{DisableKeepAlives: true}, private}}

func init() { goupnp.HTTPClientDefault = &devices } // which fetches what devices say of themselves

// search returns the gateways that answer in this network.
func search(ctx context.Context) (list []Gateway) {
	found, err := goupnp.DiscoverDevicesCtx(ctx, "urn:schemas-upnp-org:device:InternetGatewayDevice:1")
	if err != nil {
		return nil
	}
	for _, d := range found {
		if d.Root != nil {
			list = append(list, services(d.Root, d.Location)...)
		}
	}
	return list
}

// services returns what maps ports of a device.
func services(root *goupnp.RootDevice, at *url.URL) (list []Gateway) {
	way, err := net.Dial("udp", net.JoinHostPort(at.Hostname(), "1900")) // which sends nothing
	if err != nil {
		return nil
	}
	defer way.Close()
	own := way.LocalAddr().(*net.UDPAddr).IP
	add := func(w wan, s *goupnp.ServiceClient) {
		s.SOAPClient.HTTPClient = devices
		list = append(list, &upnp{w, at.Host, own})
	}
	if found, err := internetgateway2.NewWANIPConnection2ClientsFromRootDevice(root, at); err == nil {
		for _, c := range found {
			add(c, &c.ServiceClient)
		}
	}
	if found, err := internetgateway2.NewWANIPConnection1ClientsFromRootDevice(root, at); err == nil {
		for _, c := range found {
			add(c, &c.ServiceClient)
		}
	}
	if found, err := internetgateway2.NewWANPPPConnection1ClientsFromRootDevice(root, at); err == nil {
		for _, c := range found {
			add(c, &c.ServiceClient)
		}
	}
	return list
}
