package explore

import "testing"

// BenchmarkPeer explores the largest of the first conversations.
func BenchmarkPeer(b *testing.B) {
	talk := load(b, "../../../project.xml")["peer"]
	for b.Loop() {
		explored(b, talk)
	}
}
