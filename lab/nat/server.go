//go:build linux

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/server"
	"github.com/sjohnr/at-once/src/rendezvous/wss"
)

// runServer is a server until standard input ends. It prints its addresses, by IPv4 and by
// IPv6, and writes its certificate for HTTPS to a file.
func runServer(certificate string) error {
	own, err := identity.New()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := server.New(server.Config{Identity: own, Transport: link.TCP{}, Log: log}, server.Policy{Relays: true})
	if err != nil {
		return err
	}
	defer s.Close()
	plain, err := link.TCP{}.Listen(context.Background(), fmt.Sprintf("tcp://*:%d", rendezvous.Port))
	if err != nil {
		return err
	}
	s.Serve(plain)
	config, err := certify(certificate)
	if err != nil {
		return err
	}
	web, err := link.TCP{}.Listen(context.Background(), "tcp://*:443")
	if err != nil {
		return err
	}
	s.Serve(wss.Listen(web, wss.Config{TLS: config, Log: log}))
	for _, host := range []string{serverAt, serverV6} {
		a := rendezvous.Address{
			Hosts: []string{net.JoinHostPort(host, fmt.Sprint(rendezvous.Port))}, Secret: rendezvous.Secret{1},
			Key: [32]byte(own.Transport().PublicKey().Bytes()), WSS: "wss://" + serverAt + "/once",
		}
		fmt.Println(a)
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// certify makes a certificate of the server's address, and leaves it in a file.
func certify(path string) (*tls.Config, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(serverAt)}, IsCA: true, BasicConstraintsValid: true,
	}
	octets, err := x509.CreateCertificate(rand.Reader, &template, &template, public, key)
	if err != nil {
		return nil, err
	}
	err = os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: octets}), 0o600)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{octets}, PrivateKey: key}}}, err
}

// runProxy is an HTTP proxy that connects to HTTPS only.
func runProxy() error {
	fmt.Println("ready")
	return http.ListenAndServe(":3128", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, port, _ := net.SplitHostPort(r.Host); r.Method != http.MethodConnect || port != "443" {
			http.Error(w, "only CONNECT to port 443", http.StatusForbidden)
			return
		}
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer far.Close()
		w.WriteHeader(http.StatusOK)
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer near.Close()
		go func() {
			_, _ = io.Copy(far, near)
			_ = far.Close()
		}()
		_, _ = io.Copy(near, far)
	}))
}
