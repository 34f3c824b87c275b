// Package gateway is a gateway of a network that maps ports, by NAT-PMP, PCP or UPnP, and
// that errs and lies if it is told to: for tests, and for the lab of NATs.
package gateway

import (
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// Gateway is such a gateway. Open and Shut do what it says that it does; they may be nil.
type Gateway struct {
	Open func(outer uint16, inner netip.AddrPort) error
	Shut func(outer uint16) error
	Old  bool // it knows no PCP

	mu     sync.Mutex
	listed map[uint16]netip.AddrPort
	opened map[uint16]bool // of those that are listed
	taken  map[uint16]bool
	dead   int
	asked  int
}

// Take has ports be another's, which are not mapped.
func (g *Gateway) Take(ports ...uint16) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.taken == nil {
		g.taken = map[uint16]bool{}
	}
	for _, p := range ports {
		g.taken[p] = true
	}
}

// Kill has the next so many mappings be listed, and dead.
func (g *Gateway) Kill(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dead = n
}

// Wipe forgets all mappings, as a restart does.
func (g *Gateway) Wipe() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	for outer := range g.listed {
		errs = append(errs, g.unmap(outer))
	}
	return errors.Join(errs...)
}

// Listed returns what is mapped.
func (g *Gateway) Listed() map[uint16]netip.AddrPort {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := map[uint16]netip.AddrPort{}
	for outer, inner := range g.listed {
		list[outer] = inner
	}
	return list
}

// Asked returns how often a mapping was asked for.
func (g *Gateway) Asked() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

// Place maps a port as [Gateway.ServeDatagrams] does, and Drop deletes a mapping.
func (g *Gateway) Place(wanted uint16, inner netip.AddrPort) (uint16, error) {
	return g.assign(wanted, inner, true)
}

// Drop deletes a mapping.
func (g *Gateway) Drop(outer uint16) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.unmap(outer)
}

// errTaken says that a port is another's.
var errTaken = errors.New("taken")

// assign maps a port, as wanted or, if that is another's and elsewhere is allowed, the next
// one that is free. What is listed already stays as it is: only what is new comes alive.
func (g *Gateway) assign(wanted uint16, inner netip.AddrPort, elsewhere bool) (uint16, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	for outer, to := range g.listed {
		if to == inner && (elsewhere || outer == wanted) {
			return outer, nil
		}
	}
	for ; g.taken[wanted]; wanted++ {
		if !elsewhere {
			return 0, errTaken
		}
	}
	if g.listed == nil {
		g.listed, g.opened = map[uint16]netip.AddrPort{}, map[uint16]bool{}
	}
	g.listed[wanted] = inner
	if g.dead > 0 {
		g.dead--
		return wanted, nil
	}
	g.opened[wanted] = true
	if g.Open != nil {
		return wanted, g.Open(wanted, inner)
	}
	return wanted, nil
}

// remove deletes the mappings to a port of a host.
func (g *Gateway) remove(inner netip.AddrPort) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for outer, to := range g.listed {
		if to == inner {
			return g.unmap(outer)
		}
	}
	return nil
}

func (g *Gateway) unmap(outer uint16) error {
	opened := g.opened[outer]
	delete(g.listed, outer)
	delete(g.opened, outer)
	if g.Shut != nil && opened {
		return g.Shut(outer)
	}
	return nil
}

// ServeDatagrams answers NAT-PMP, and PCP unless it is Old, until the socket is closed.
func (g *Gateway) ServeDatagrams(conn net.PacketConn) {
	b := make([]byte, 1100)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		at, _ := netip.ParseAddrPort(from.String())
		if answer := g.answer(b[:n], at.Addr().Unmap()); answer != nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

// answer answers a datagram of an address.
func (g *Gateway) answer(b []byte, from netip.Addr) []byte {
	switch {
	case len(b) == 12 && b[0] == 0 && b[1] == 2:
		inner := netip.AddrPortFrom(from, binary.BigEndian.Uint16(b[4:]))
		answer := make([]byte, 16)
		answer[1] = 0x82
		copy(answer[8:], b[4:6])
		copy(answer[12:], b[8:12])
		outer, err := g.lease(b[8:12], binary.BigEndian.Uint16(b[6:]), inner)
		binary.BigEndian.PutUint16(answer[10:], outer)
		if err != nil {
			answer[3] = 3
		}
		return answer
	case len(b) >= 2 && g.Old:
		return []byte{0, 0x80 | b[1], 0, 1, 0, 0, 0, 0}
	case len(b) == 60 && b[0] == 2 && b[1] == 1:
		inner := netip.AddrPortFrom(from, binary.BigEndian.Uint16(b[40:]))
		answer := append([]byte{2, 0x81, 0, 0}, b[4:]...)
		outer, err := g.lease(b[4:8], binary.BigEndian.Uint16(b[42:]), inner)
		binary.BigEndian.PutUint16(answer[42:], outer)
		if err != nil {
			answer[3] = 4
		}
		return answer
	}
	return nil
}

// lease maps a port for a life, which is over if it is 0.
func (g *Gateway) lease(life []byte, wanted uint16, inner netip.AddrPort) (uint16, error) {
	if binary.BigEndian.Uint32(life) == 0 {
		return 0, g.remove(inner)
	}
	return g.assign(wanted, inner, true)
}

// ServeSearches tells who searches by SSDP where the description is, until the socket is
// closed.
func ServeSearches(conn net.PacketConn, url string) {
	b := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		if text := string(b[:n]); strings.HasPrefix(text, "M-SEARCH") {
			target := ""
			for line := range strings.Lines(text) {
				if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "ST") {
					target = strings.TrimSpace(value)
				}
			}
			_, _ = fmt.Fprintf(writer{conn, from}, "HTTP/1.1 200 OK\r\nST: %s\r\nUSN: uuid:lab::%s\r\nLOCATION: %s\r\nCACHE-CONTROL: max-age=120\r\n\r\n", target, target, url)
		}
	}
}

// writer writes datagrams to an address.
type writer struct {
	net.PacketConn
	to net.Addr
}

func (w writer) Write(b []byte) (int, error) { return w.WriteTo(b, w.to) }

const service = "urn:schemas-upnp-org:service:WANIPConnection:1"

const description = `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><friendlyName>lab</friendlyName><UDN>uuid:lab</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><UDN>uuid:lab1</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><UDN>uuid:lab2</UDN>
<serviceList><service><serviceType>` + service + `</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<SCPDURL>/scpd</SCPDURL><controlURL>/control</controlURL><eventSubURL>/events</eventSubURL></service></serviceList></device></deviceList></device></deviceList></device></root>`

// call is what UPnP asks for, as far as it matters here.
type call struct {
	Add *struct {
		NewExternalPort, NewInternalPort uint16
		NewInternalClient                string
	} `xml:"Body>AddPortMapping"`
	Delete *struct{ NewExternalPort uint16 } `xml:"Body>DeletePortMapping"`
}

// ServeHTTP shows the description, and does what UPnP asks for.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, description)
		return
	}
	var c call
	err := xml.NewDecoder(r.Body).Decode(&c)
	name, code := "", 501
	switch {
	case err != nil:
	case c.Add != nil:
		var ip netip.Addr
		if ip, err = netip.ParseAddr(c.Add.NewInternalClient); err == nil {
			name = "AddPortMapping"
			if _, err = g.assign(c.Add.NewExternalPort, netip.AddrPortFrom(ip, c.Add.NewInternalPort), false); errors.Is(err, errTaken) {
				code = 718
			}
		}
	case c.Delete != nil:
		name = "DeletePortMapping"
		g.mu.Lock()
		err = g.unmap(c.Delete.NewExternalPort)
		g.mu.Unlock()
	}
	body := fmt.Sprintf(`<u:%sResponse xmlns:u="%s"></u:%sResponse>`, name, service, name)
	if err != nil || name == "" {
		w.WriteHeader(http.StatusInternalServerError)
		body = fmt.Sprintf(`<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode></UPnPError></detail></s:Fault>`, code)
	}
	_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body></s:Envelope>`, body)
}
