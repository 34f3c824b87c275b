// Package oncetest simulates networks, for tests of programs that use package once. A
// program runs on the hosts of a [Network] as it does on others, and is not changed for
// it: once.Start starts a node on the host whose context it is given. Hosts have
// addresses, and lines with delay, rate and loss; the network can be parted, connections
// break, hosts crash and start again.
//
// In a bubble of testing/synctest all that takes no time but that of the processor: hours
// pass when all goroutines wait. Here 50 nodes of a program, a counter that is kept in
// many places, go through a partition in less than a second. Each [Host.Go] runs a
// program, until the host crashes or the test ends:
//
//	func TestCountersAgreeAfterPartition(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			network := oncetest.New(t, 1)
//			network.SetLine(oncetest.Line{Delay: 5 * time.Millisecond})
//			config := once.Config{Security: once.SecurityPlain, Interval: 5 * time.Second, Expired: 12 * time.Second}
//			hosts, counters := make([]*oncetest.Host, 50), make([]*Counter, 50)
//			for i := range hosts {
//				hosts[i], counters[i] = network.Host(fmt.Sprintf("10.0.0.%d", i+1)), NewCounter(config)
//				hosts[i].Go(counters[i].Run)
//			}
//			agree := func(want uint64) {
//				t.Helper()
//				for i, c := range counters {
//					if got := c.Total(); got != want {
//						t.Errorf("host %v has counted %d, want %d", hosts[i], got, want)
//					}
//				}
//			}
//
//			time.Sleep(time.Second) // all have met
//			network.Partition(hosts[:25], hosts[25:])
//			for _, c := range counters {
//				c.Add(1)
//			}
//			time.Sleep(15 * time.Second) // each half has given up the other
//			agree(25)
//
//			network.Heal()
//			time.Sleep(6 * time.Second) // all have met again
//			agree(50)
//		})
//	}
//
// # Time
//
// Outside of a bubble a network works too, in real time. Inside, time.Sleep lets time
// pass; all that is due in it has happened then, except what is due at the very moment,
// for which there is synctest.Wait.
//
// # Chance
//
// What is lost, how long it takes and the waits of the nodes follow from the seed that
// [New] takes. Keys and ids, which are drawn from one source, follow from it and from the
// order in which they are drawn. A test that fails does so again with the same seed, as long
// as the program does the same again, and nothing that matters happens at one moment: the
// order in which Go runs goroutines that are ready then, iterates over maps and chooses among
// the cases of a select stays open. So let hosts start one after the other, a moment apart,
// on lines with some [Line.Jitter]. To look for failures, run a test with many seeds.
//
// # What is as in the world, and what is not
//
// The nodes are those of package once, with all that they do. What they connect with is
// not TCP, but a double of it, and beacons do not go over UDP. All of Config holds, but
// that a host has no network interfaces to choose from: Interfaces is not looked at, and
// all beacons with one BeaconPort reach all hosts, unless they are lost or the network is
// parted. Files are those of the disk. A node that is started in another context than that
// of its host, such as that of the test, is a real one, on the real network.
//
// Keys cost processor time. To simulate many nodes that need no security, choose
// once.SecurityPlain: above, the default would take about three times as long.
package oncetest
