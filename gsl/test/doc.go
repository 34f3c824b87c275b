// Package generator tests the generator: good models must print what is committed under tiny, which
// is exercised here too, and models that once-model has not settled nothing.
package generator
