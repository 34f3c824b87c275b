// Package oncetest simulates networks.
package oncetest
