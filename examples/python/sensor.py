"""A sensor: sensor.py NAME. Each second it tells the group "temperature" what it measures,
and it shows what others do. What the numbers are in, a header says."""

import random
import sys
import time

import once


def show(node: once.Node, until: float) -> None:
    """Shows what others measure, for so long."""
    while (left := until - time.monotonic()) > 0:
        try:
            event = node.recv(timeout=left)
        except once.TimedOutError:
            return
        if event.type == once.EventType.SHOUT:
            print(f"{event.peer.name} measures {event.msg[0].decode()} {event.peer.header('unit')}", flush=True)


with once.Node(sys.argv[1] if len(sys.argv) > 1 else "", groups=["temperature"], headers={"unit": "°C"}) as node:
    due = time.monotonic()
    while True:
        node.shout("temperature", f"{random.uniform(20, 25):.1f}")
        due += 1
        show(node, due)
