"""What bench.go and the others do, in Python: bench.py ROLE WHAT COUNT SIZE PORT."""

import sys
import time

import once


def main(role, what, count, size, port):
    count, size = int(count), int(size)
    with once.Node(role, interfaces="127.0.0.1", beacon_port=int(port), interval=0.1, security=once.NodeSecurity.PLAIN) as node:
        events = iter(node)
        peer = next(event.peer for event in events if event.type == once.EventType.ENTER)
        octets = bytes(size)
        if role == "b":
            answer(node, events, peer, what, count)
        elif what == "flood":
            flood(node, events, peer, octets, count)
        else:
            echo(node, events, peer, octets, count)


def whispers(events):
    return (event for event in events if event.type == once.EventType.WHISPER)


def flood(node, events, peer, octets, count):
    begin = time.perf_counter()
    for _ in range(count):
        node.whisper(peer, octets)
    next(whispers(events))  # which says that all has arrived
    print(f"{count / (time.perf_counter() - begin):.0f} messages/s", flush=True)


def echo(node, events, peer, octets, count):
    answers, times = whispers(events), []
    for _ in range(count):
        begin = time.perf_counter()
        node.whisper(peer, octets)
        next(answers)
        times.append(time.perf_counter() - begin)
    print(f"{sorted(times)[count // 2] * 1e6:.1f} us", flush=True)


def answer(node, events, peer, what, count):
    said = whispers(events)
    for _ in range(count):
        event = next(said)
        if what != "flood":
            node.whisper(event.peer, event.msg)
    if what == "flood":
        node.whisper(peer, b"all")
        node.flush(timeout=10)
    for event in events:
        if event.type == once.EventType.EXIT:
            return


main(*sys.argv[1:])
