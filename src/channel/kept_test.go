package channel

import (
	"testing"

	"github.com/sjohnr/at-once/src/seal"
)

// TestKept keeps keys of messages while they are not acknowledged, and clears the others.
func TestKept(t *testing.T) {
	var k kept
	for at := range uint64(1000) {
		k.keep(10*at, &seal.Key{byte(at), 1})
		if at%7 == 6 {
			k.drop(10*at - 25)
		}
		for back := range min(at, 3) {
			if key := k.find(10 * (at - back)); key == nil || key[0] != byte(at-back) {
				t.Fatalf("the key for %d is %v", 10*(at-back), key)
			}
		}
		if k.find(10*at+1) != nil {
			t.Fatal("a key for nothing")
		}
		for _, gone := range k.keys[:k.from] {
			if gone.key != (seal.Key{}) {
				t.Fatalf("the key for %d is not cleared", gone.at)
			}
		}
	}
	if k.drop(10000); len(k.keys) != 0 || cap(k.keys) > 64 {
		t.Errorf("%d keys are left, in room for %d", len(k.keys), cap(k.keys))
	}
}
