"""What signals do in a Python program that has a node, and so Go's runtime, inside.

Each test is a program of its own: the faults end it.
"""

import signal
import subprocess
import sys

BEGIN = """
import faulthandler, os, signal, subprocess, sys, threading, time
seen = []
signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))  # before the library comes
import once
node = once.Node("ana", interfaces="127.0.0.1", beacon_port=25670, linger=30)
node.start()
other = once.Node("ben", interfaces="127.0.0.1", beacon_port=25670)
other.start()
"""

# A program, how it must end, and what it must say.
TESTS = {
    "Ctrl-C ends a wait for events": ("""
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    for event in node:
        pass
except KeyboardInterrupt:
    print("interrupted")
""", 0, "interrupted"),
    "Ctrl-C ends all else that waits, as soon": ("""
peer = next(event.peer for event in node if event.type == once.EventType.ENTER)
files = once.Files(node)
transfer = files.offer(peer)
transfer.add("/etc/hostname")
try:
    while True:
        node.whisper(peer, bytes(1 << 20), timeout=0.5)
except once.TimedOutError:
    pass  # the other has no room: it takes nothing
def calls():
    yield "ask", lambda: node.ask(peer, b"x")
    yield "whisper", lambda: node.whisper(peer, bytes(1 << 20))
    yield "whisper frames", lambda: node.whisper(peer, [bytes(1 << 20), b"x"])
    yield "flush", lambda: node.flush()
    yield "ping", lambda: node.ping(peer)
    yield "recv", lambda: [node.recv() for _ in iter(int, 1)]
    yield "batch", lambda: [node.recv_batch() for _ in iter(int, 1)]
    yield "offer", lambda: files.next_offer()
    yield "send", lambda: transfer.send()
    yield "stop", lambda: node.stop()
    yield "close", lambda: node.close()
for name, call in calls():
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    begin = time.monotonic()
    timer.start()
    try:
        call()
        print(name, "ended by itself")
    except KeyboardInterrupt:
        print(name if time.monotonic() - begin < 3 else f"{name} late")
print("all", flush=True)
os._exit(0)
""", 0, "ask\nwhisper\nwhisper frames\nflush\nping\nrecv\nbatch\noffer\nsend\nstop\nclose\nall"),
    "handlers run while messages flow, those set before the library came and after": ("""
signal.signal(signal.SIGUSR2, lambda number, _: seen.append(number))
peer = next(event.peer for event in node if event.type == once.EventType.ENTER)
for i in range(1000):
    os.kill(os.getpid(), (signal.SIGUSR1, signal.SIGUSR2)[i % 2])
    node.whisper(peer, b"x")
    while len(seen) <= i:
        time.sleep(0)
node.flush(timeout=10)
print(len(seen), seen.count(signal.SIGUSR1))
""", 0, "1000 500"),
    "a timer interrupts a wait": ("""
def late(*_):
    raise RuntimeError("late")
signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    for event in node:
        pass
except RuntimeError as error:
    print(error)
""", 0, "late"),
    "SIGTERM ends the program, as it does without the library": ("os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)", -signal.SIGTERM, ""),
    "a fault of other code ends it by SIGSEGV": ("""
import ctypes
sys.stdout.flush()
ctypes.string_at(1)
""", -signal.SIGSEGV, ""),
    "a faulthandler that came before the library is called": ("""
import ctypes
ctypes.string_at(1)
""", -signal.SIGSEGV, "Fatal Python error: Segmentation fault"),
    "a broken pipe is an exception": ("""
read, write = os.pipe()
os.close(read)
try:
    os.write(write, b"x")
except BrokenPipeError:
    print("broken")
""", 0, "broken"),
    "children are waited for": ("""
for _ in range(20):
    assert subprocess.run(["true"]).returncode == 0
    assert subprocess.run(["false"]).returncode == 1
print("waited")
""", 0, "waited"),
}


def main() -> int:
    failed = 0
    for name, (program, code, said) in TESTS.items():
        first = "import faulthandler; faulthandler.enable()\n" if said.startswith("Fatal") else ""
        try:
            done = subprocess.run([sys.executable, "-c", first + BEGIN + program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
            right = done.returncode == code and said in done.stdout
            why = "" if right else f"ended with {done.returncode}, which must be {int(code)}, and said {done.stdout[-1500:]!r}"
        except subprocess.TimeoutExpired as error:
            why = f"not over after {error.timeout} s"
        print(f"{name}: {why or 'ok'}", flush=True)
        failed += why != ""
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
