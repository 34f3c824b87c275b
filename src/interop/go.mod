module github.com/sjohnr/at-once/src/interop

go 1.26.0

toolchain go1.26.10

replace github.com/sjohnr/at-once => ../..

replace github.com/jtacoma/go-zpl => ./zpl

require (
	github.com/google/uuid v1.6.0
	github.com/sjohnr/at-once v0.0.0-00010101000000-000000000000
	github.com/zeromq/goczmq v4.1.0+incompatible
	github.com/zeromq/gyre v0.0.0-20180708015545-f03685a6fad2
)

require (
	github.com/armen/goviral v0.0.0-20150416020909-5ca05b524b2b // indirect
	github.com/jtacoma/go-zpl v0.0.0 // indirect
	github.com/pebbe/zmq4 v1.4.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
