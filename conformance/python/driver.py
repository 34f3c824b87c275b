"""The driver for Python: driver.py FILE SCENARIO ROLE PORT DIRECTORY."""

import logging
import os
import signal
import sys
import threading
import uuid
import warnings

import once


def listed():
    """The methods that there must be, each with its class and kind."""
    lines = open(os.path.join(os.path.dirname(sys.argv[1]), "methods.txt"), encoding="utf-8")
    return [line.split() for line in lines if not line.startswith("#")]


def frame(word):
    kind, _, value = word.partition(":")
    if kind == "fill":
        size = int(value)
        return (bytes(i * 7 % 256 for i in range(256)) * (size // 256 + 1))[:size]
    if kind == "long":
        return b"x" * int(value)
    return bytes.fromhex(value) if kind == "hex" else value.encode()


class Driver:
    def __init__(self, port, directory):
        self.port, self.directory = port, directory
        self.peers, self.last, self.said, self.lines = {}, None, "", 0

    def make(self, name, **more):
        return once.Node(name, interfaces="127.0.0.1", beacon_port=self.port, interval=0.1, linger=0.5, **more)

    def node(self, name, *settings):
        more = {}
        for key, value in (s.split("=", 1) for s in settings):
            if key == "security":
                more["security"] = once.NodeSecurity[value.upper()]
            elif key == "identity":
                more["identity"] = once.Identity(os.path.join(self.directory, value))
            elif key == "header":
                more["headers"] = dict([value.split("=", 1)])
            elif key == "log":
                warnings.simplefilter("ignore")
                more["logger"] = self.log
        self.own = self.make(name, **more)

    def log(self, *_):
        self.lines += 1
        raise ValueError("a handler that fails")

    def logged(self):
        assert self.lines > 0, "no line was logged"

    def start(self):
        self.own.start()

    def stop(self):
        self.own.stop()

    def close(self):
        self.own.close()

    def flush(self, timeout=10.0):
        self.own.flush(timeout=timeout)

    def recv(self, timeout=5.0):
        self.own.recv(timeout=timeout)

    def second(self, name):
        other = self.make(name, identity=once.Identity(os.path.join(self.directory, name)))
        other.start()

    def join(self, group):
        self.own.join(frame(group).decode() if ":" in group else group)

    def leave(self, group):
        self.own.leave(group)

    def sethead(self, name, value):
        self.own.set_header(name, value)

    def whisper(self, peer, *frames):
        to = uuid.UUID(int=7) if peer == "nobody" else self.own.uuid if peer == "self" else self.peers[peer]
        self.own.whisper(to, [frame(word) for word in frames])

    def nothing(self, where):
        peer, content = uuid.UUID(int=7), {"content": None, "frame": [None]}.get(where, b"x")
        try:
            self.own.whisper(None if where == "peer" else peer, content)
        except TypeError:
            return
        raise AssertionError("it did not fail")

    def wrong(self, argument):
        calls = {
            "security": (once.ArgumentError, lambda: self.own.set_security(258)),
            "port": (once.ArgumentError, lambda: self.own.set_port(1 << 70)),
            "status": (once.ArgumentError, lambda: self.own.reply(1, 1 << 32, b"x")),
            "interval": (once.ArgumentError, lambda: self.own.set_interval(-0.001)),
            "timeout": (once.ArgumentError, lambda: self.own.flush(timeout=-0.001)),
            "groups": (TypeError, lambda: self.make("ben", groups="room")),
            "headers": (TypeError, lambda: self.make("ben", headers="city")),
            "group": (TypeError, lambda: self.own.join(5)),
            "contest": (once.ArgumentError, lambda: self.own.set_contest_in_group("\udcff")),
            "peer": (once.ArgumentError, lambda: self.own.whisper("x", b"x")),
            "shared": (TypeError, lambda: self.own.set_shared("no")),
            "identity": (TypeError, lambda: self.own.set_identity(self.own)),
            "content": (TypeError, lambda: self.own.whisper(uuid.UUID(int=7), [5])),
        }
        kind, call = calls[argument]
        try:
            call()
        except kind as error:
            self.said = str(error)
            return
        raise AssertionError("it did not fail")

    def ping(self, peer):
        assert self.own.ping(self.peers[peer], timeout=10) > 0

    def methods(self):
        network = once.Network(os.path.join(self.directory, "network"))
        network.invite("ben", "", uuid.UUID(int=0), 1)
        files = once.Files(self.own)
        objects = [self.own, self.own.snapshot(), self.last, self.last.peer, once.Node.interfaces()[0], network, network.members()[0]]
        objects += [once.Identity(), files, files.offer(self.last.peer), once.Server()]
        of = {type(one).__name__: one for one in objects}
        for owner, name, kind in listed():
            one = of[owner[len("once_") :].capitalize()]
            try:
                found = getattr(one, name)
                if kind == "get" and callable(found):
                    found()
            except once.OnceError:
                assert hasattr(type(one), name)

    def ask(self, peer, *frames):
        to = uuid.UUID(int=7) if peer == "nobody" else self.own.uuid if peer == "self" else self.peers[peer]
        self.answered = self.own.ask(to, [frame(word) for word in frames], timeout=30)

    def answer(self, status, *frames):
        assert self.answered.status == int(status), self.answered
        assert self.answered.msg == [frame(word) for word in frames], "the answer is another"

    def reply(self, status, *frames):
        self.own.reply(self.last.question, int(status), [frame(word) for word in frames])

    def shout(self, group, *frames):
        self.own.shout(group, [frame(word) for word in frames])

    def expect(self, kind, peer, *rest):
        frames = [frame(word) for word in rest if ":" in word]
        word = next((word for word in rest if ":" not in word), None)
        while True:
            event = self.own.recv(timeout=30)
            self.peers[event.peer.name] = event.peer
            if event.type.name.lower() != kind or event.peer.name != peer:
                continue
            self.last = event
            assert word is None or word == (event.reason if kind == "exit" else event.group), event
            assert event.msg == frames, f"{len(event.msg)} frames are not what was sent"
            return

    def header(self, peer, name, value=""):
        assert self.peers[peer].header(name) == value, self.peers[peer]

    def protection(self, name):
        assert self.last.protection == once.PeerProtection[name.upper()], self.last

    def count(self, found, wanted):
        assert len(found) == int(wanted), found

    def text(self, what, value):
        assert getattr(self.own, what) == value

    def error(self, name, verb, *args, **more):
        kind = getattr(once, name.title().replace("-", "") + "Error")
        try:
            getattr(self, verb)(*args, **more)
        except kind as error:
            assert error.code == kind.code
            self.said = str(error)
            return
        raise AssertionError(f"{verb} did not fail with {name}")

    def message(self, word):
        assert word in self.said, self.said

    def timeout(self, verb, *args):
        self.error("timed-out", verb, *args, timeout=0.1)

    def twice(self):
        cancel = once.Cancel()
        ended, told = [], threading.Event()

        def wait():
            try:
                self.own.recv_batch(cancel=cancel)
            except once.OnceError as error:
                ended.append(type(error))
            told.set()

        threads = [threading.Thread(target=wait) for _ in range(2)]
        for thread in threads:
            thread.start()
        told.wait()
        cancel.cancel()
        for thread in threads:
            thread.join()
        assert sorted(kind.__name__ for kind in ended) == ["BusyError", "CanceledError"], ended

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, word):
        print(word, flush=True)
        sys.stdin.readline()

    def run(self, line):
        verb, *args = line.split(" ")
        if verb in ("peers", "own"):
            self.count(self.own.peers() if verb == "peers" else self.own.own_groups(), *args)
        elif verb in ("kill", "stall", "awaitstall"):
            self.tell(verb)
        else:
            getattr(self, verb)(*args)


def main(file, scenario, role, port, directory):
    driver, now = Driver(int(port), directory), ""
    for line in open(file, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("scenario "):
            now = line.split(" ")[1]
        elif now == scenario and line.startswith(role + " "):
            try:
                driver.run(line[2:])
            except Exception as error:
                sys.exit(f"{scenario}: {line}: {type(error).__name__}: {error}")
    print("done", flush=True)


main(*sys.argv[1:])
