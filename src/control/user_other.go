//go:build !linux && !darwin

package control

import "net"

// userOf would return whose process has made a connection, which the system does not tell:
// the rights on the directory of the socket are what keeps others out.
func userOf(*net.UnixConn) (user int, known bool, err error) { return 0, false, nil }
