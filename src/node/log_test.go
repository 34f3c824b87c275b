package node

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestStuckLog has the application take no line of the log: the node goes on, and stops.
func TestStuckLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		stuck, first := make(chan struct{}), make(chan string, maxLines)
		ana := l.node("ana", func(n *Node) {
			n.SetLog(func(level int, message string, attributes map[string]string) {
				first <- message
				<-stuck
			})
		})
		ben := l.node("ben")
		defer ben.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		ana.talk(ben)
		ben.talk(ana)
		start := time.Now()
		ana.must(ana.Stop())
		if took := time.Since(start); took > ana.settings.Linger+time.Second {
			t.Errorf("it stops after %v", took)
		}
		if len(first) != 1 || <-first != "node started" {
			t.Error("the first line did not come first, or not alone")
		}
		close(stuck)
	})
}

// TestLogIsWhole has the application take its time for each line: all come, in order,
// before the node has stopped.
func TestLogIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		var lines []string
		ana := l.node("ana", func(n *Node) {
			n.SetLog(func(level int, message string, attributes map[string]string) {
				time.Sleep(5 * time.Millisecond)
				lines = append(lines, message)
			})
		})
		for i := range 100 {
			ana.settings.log.Info(fmt.Sprint(i))
		}
		ana.must(ana.Stop())
		if len(lines) != 102 || lines[0] != "node started" || lines[101] != "node stopped" {
			t.Fatalf("%d lines: %q", len(lines), lines)
		}
		for i := range 100 {
			if lines[1+i] != fmt.Sprint(i) {
				t.Fatalf("line %d is %q", i, lines[1+i])
			}
		}
	})
}

// TestLogIsBounded writes more lines than may wait: what is dropped is counted, and told
// where it would have been.
func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		const written = 3 * maxLines
		stuck, lines, dropped := make(chan struct{}), 0, 0
		ana := l.node("ana", func(n *Node) {
			n.SetLog(func(level int, message string, attributes map[string]string) {
				<-stuck
				if number, err := strconv.Atoi(attributes["lines"]); err == nil {
					dropped += number
				} else if lines++; message != "node started" && message != "node stopped" && message != fmt.Sprint(lines+dropped-1) {
					t.Errorf("after %d lines, and %d dropped, comes %q", lines, dropped, message)
				}
			})
		})
		synctest.Wait()
		for i := range written {
			ana.settings.log.Info(fmt.Sprint(i + 1))
		}
		close(stuck)
		synctest.Wait()
		ana.settings.log.Info(fmt.Sprint(written + 1))
		ana.must(ana.Stop())
		if lines != 1+maxLines+2 || dropped != written-maxLines || ana.Counts()["log lines over the limit"] != uint64(dropped) {
			t.Errorf("%d lines of %d came, and %d are said to be dropped; counts: %v", lines, written, dropped, ana.Counts())
		}
	})
}
