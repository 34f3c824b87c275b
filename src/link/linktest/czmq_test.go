//go:build czmq

package linktest

import "github.com/sjohnr/at-once/src/link/czmq"

func init() { drivers["libzmq"] = driver{Transport: czmq.Transport{}, opaque: true} }
