//go:build !race

package node

// racing tells whether the race detector looks on, with which stacks are larger.
const racing = false
