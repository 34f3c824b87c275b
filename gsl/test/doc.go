// Package generator tests the generator: bad models must give exactly the faults
// that stand beside them, and nothing else; good ones must print what is
// committed under tiny, which is exercised here too.
package generator
