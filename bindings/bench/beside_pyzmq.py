"""What bench.py does, as pyzmq has it: the two frames of a ZRE whisper, from a DEALER to a ROUTER."""

import sys
import time

import zmq

HEAD = bytes(7)


def main(role, what, count, size, port):
    count, mine = int(count), int(port) - (10000 if role == "b" else 0)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as inbound, context.socket(zmq.DEALER) as peer:
        inbound.bind(f"tcp://127.0.0.1:{mine}")
        peer.connect(f"tcp://127.0.0.1:{int(port) - (0 if role == 'b' else 10000)}")
        peer.send_multipart((HEAD, b"hello"))
        inbound.recv_multipart()
        octets = bytes(int(size))
        if role == "b":
            answer(inbound, peer, what, count)
        elif what == "flood":
            flood(inbound, peer, octets, count)
        else:
            echo(inbound, peer, octets, count)


def flood(inbound, peer, octets, count):
    begin = time.perf_counter()
    for _ in range(count):
        peer.send_multipart((HEAD, octets))
    inbound.recv_multipart()  # which says that all has arrived
    print(f"{count / (time.perf_counter() - begin):.0f} messages/s", flush=True)


def echo(inbound, peer, octets, count):
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        peer.send_multipart((HEAD, octets))
        inbound.recv_multipart()
        times.append(time.perf_counter() - begin)
    print(f"{sorted(times)[count // 2] * 1e6:.1f} us", flush=True)


def answer(inbound, peer, what, count):
    for _ in range(count):
        message = inbound.recv_multipart()
        if what != "flood":
            peer.send_multipart((HEAD, message[2]))
    if what == "flood":
        peer.send_multipart((HEAD, b"all"))


main(*sys.argv[1:])
