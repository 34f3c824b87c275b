#!/usr/bin/env python3
"""A plain peer of ZRE, which knows no more than the pages in generated/doc say: zre_beacon,
zmtp with NULL, and zre_msg. It meets others on loopback, obeys a command in JSON on each
line of its input, and prints events; doc.go has both. It ends at what is not as the pages
say. Its arguments are a name and a UDP port of beacons.
"""
import base64, io, json, os, socket, struct, sys, threading, time, uuid

NAME, BEACON_PORT = sys.argv[1], int(sys.argv[2])
OWN = uuid.uuid4()
HELLO, WHISPER, SHOUT, JOIN, LEAVE, PING, PING_OK, ELECT, LEADER, GOODBYE = range(1, 11)
everything = threading.RLock()  # held by who looks at peers, or says something
peers, groups, status = {}, [], 0

class Link:
    """A connection of ZMTP with the mechanism NULL (zmtp.md)."""

    def __init__(self, sock, kind, identity=b""):
        self.sock, self.file, self.sending = sock, sock.makefile("rb"), threading.Lock()
        sock.sendall(b"\xff" + bytes(8) + b"\x7f\3\1" + b"NULL".ljust(20, b"\0") + bytes(32))
        greeting = take(self.file, 64)
        hold((greeting[0], greeting[9], greeting[12:32]) == (0xFF, 0x7F, b"NULL".ljust(20, b"\0")), "greeting")
        ready = b"".join(bytes([len(n)]) + n + long(v) for n, v in ((b"Socket-Type", kind), (b"Identity", identity)))
        self.send(4, b"\5READY" + ready)
        flags, body = self.frame()
        hold(flags == 4 and body[:6] == b"\5READY", "READY")
        self.properties, r = {}, Reader(body[6:])
        while r.tell() < len(body) - 6:
            self.properties.update([(r.string().lower(), r.chunk())])
        hold(self.properties["socket-type"] == {b"DEALER": b"ROUTER", b"ROUTER": b"DEALER"}[kind], "socket type")

    def frame(self):
        flags = take(self.file, 1)[0]
        return flags & ~2, take(self.file, int.from_bytes(take(self.file, 8 if flags & 2 else 1), "big"))

    def send(self, flags, body):
        size = struct.pack(">BB", flags, len(body)) if len(body) < 256 else struct.pack(">BQ", flags | 2, len(body))
        with self.sending:
            self.sock.sendall(size + body)

    def messages(self):
        """Yields each message as its frames, and answers commands, until the connection breaks."""
        frames = []
        while True:
            flags, body = self.frame()
            if flags & 4:
                hold(not frames, "a command within a message")
                if body[:5] == b"\4PING":
                    self.send(4, b"\4PONG" + body[7:])
                continue
            frames.append(body)
            if not flags & 1:
                yield frames
                frames = []

class Reader(io.BytesIO):
    """Reads the fields of a message (zre_msg.md)."""

    def take(self, size):
        octets = self.read(size)
        hold(len(octets) == size, "a message that ends too early")
        return octets

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def chunk(self, lead=4):
        return self.take(self.number(lead))

    def string(self):
        return self.chunk(1).decode()

class Peer:
    """What is known of another node, and the connection that this one has made to it."""

    def __init__(self, id):
        self.id, self.name, self.addr, self.link, self.dials = id, "", "", None, False
        self.said, self.told, self.status, self.groups, self.headers, self.greeted = 0, 0, 0, set(), {}, False

    def dial(self, host, port):
        if not self.dials:
            self.dials = True
            start(self.connect, host, port)

    def connect(self, host, port):
        try:
            link = Link(socket.create_connection((host, port)), b"DEALER", b"\1" + OWN.bytes)
            with everything:
                self.link = link
                lists = struct.pack(">I", len(groups)) + b"".join(long(g.encode()) for g in groups) + bytes([status])
                headers = struct.pack(">I", 1) + string("X-NAME") + long(NAME.encode())
                self.say(HELLO, string(ENDPOINT) + lists + string(NAME) + headers)
                self.meet()
            for frames in link.messages():
                hold(False, "a message over the connection that we have made")
        finally:
            self.link, self.dials = None, False  # the next beacon has it dialled again

    def meet(self, first=True):
        if first and self.greeted and self.link:
            tell("enter", self, Addr=self.addr, Headers=self.headers)
            for group in sorted(self.groups):
                tell("join", self, Group=group)

    def say(self, id, body=b"", content=()):
        if self.link:
            self.said = 1 if id == HELLO else (self.said + 1) % 65536
            frames = [b"\xaa\xa1" + bytes([id, 2]) + struct.pack(">H", self.said) + body, *content]
            for i, frame in enumerate(frames):
                self.link.send(int(i < len(frames) - 1), frame)

    def take(self, frames):
        """Takes in a message that the peer has said over the connection that it has made."""
        r = Reader(frames[0])
        signature, id, version, sequence = r.number(2), r.number(1), r.number(1), r.number(2)
        self.told = 1 if id == HELLO else (self.told + 1) % 65536
        hold((signature, version, sequence, self.greeted or id) == (0xAAA1, 2, self.told, self.greeted or HELLO), f"the head of {frames[0].hex()}")
        if id == HELLO:
            endpoint = r.string()
            self.groups = {r.chunk().decode() for _ in range(r.number(4))}
            self.status, self.name = r.number(1), r.string()
            self.headers = {r.string(): r.chunk().decode() for _ in range(r.number(4))}
            self.addr, port = endpoint.removeprefix("tcp://").rsplit(":", 1)
            self.greeted, first = True, not self.greeted
            self.dial(self.addr, int(port))
            self.meet(first)
        elif id in (JOIN, LEAVE):
            group, count, self.status = r.string(), r.number(1), (self.status + 1) % 256
            hold(count == self.status, f"status {count}, not {self.status}")
            (self.groups.add if id == JOIN else self.groups.discard)(group)
            tell("join" if id == JOIN else "leave", self, Group=group)
        elif id in (WHISPER, SHOUT):
            group = {"Group": r.string()} if id == SHOUT else {}
            content = base64.b64encode(b"|".join(frames[1:])).decode()
            tell("shout" if id == SHOUT else "whisper", self, Content=content, **group)
        elif id in (PING, PING_OK):
            self.say(PING_OK) if id == PING else tell("alive", self)
        elif id == GOODBYE:
            self.leave()
        hold(not r.read() or id in (ELECT, LEADER), f"message {id} goes on after its end")

    def leave(self):
        if peers.pop(self.id, None) and self.greeted:
            tell("exit", self)

def take(file, size):
    octets = file.read(size)
    if len(octets) < size:
        raise EOFError
    return octets

def string(text):
    return bytes([len(text.encode())]) + text.encode()

def long(octets):
    return struct.pack(">I", len(octets)) + octets

def hold(ok, what):
    if not ok:
        print("not as the pages say:", what, file=sys.stderr, flush=True)
        os._exit(1)

def tell(type, peer, **more):
    print(json.dumps({"Type": type, "Peer": peer.id.hex.upper(), "Name": peer.name, **more}), flush=True)

def start(work, *args):  # all that may go wrong in it is a connection that breaks
    threading.Thread(target=work, args=args, daemon=True).start()

def accept():
    while True:
        start(serve, listener.accept()[0])

def serve(sock):
    link = Link(sock, b"ROUTER")
    identity = link.properties["identity"]
    hold(len(identity) == 17 and identity[0] == 1, "identity")
    for frames in link.messages():
        with everything:
            id = uuid.UUID(bytes=identity[1:])
            peers.setdefault(id, Peer(id)).take(frames)

def hear():
    while True:
        datagram, (host, _) = ears.recvfrom(100)
        if len(datagram) != 22 or datagram[:4] != b"ZRE\1" or not host.startswith("127.") or datagram[4:20] == OWN.bytes:
            continue
        id, port = uuid.UUID(bytes=datagram[4:20]), int.from_bytes(datagram[20:], "big")
        with everything:
            peer = peers.setdefault(id, Peer(id))
            peer.dial(host, port) if port else peer.leave()

def beacon(port):
    mouth.sendto(b"ZRE\1" + OWN.bytes + struct.pack(">H", port), ("127.255.255.255", BEACON_PORT))

def pulse():
    while True:
        beacon(PORT)
        time.sleep(1)

def obey(command):
    global status
    do, to, content = command["Do"], command["To"], base64.b64decode(command["Content"] or "").split(b"|")
    if do in ("join", "leave"):
        status = (status + 1) % 256
        (groups.append if do == "join" else groups.remove)(to)
    for peer in list(peers.values()):
        if do in ("join", "leave"):
            peer.say(JOIN if do == "join" else LEAVE, string(to) + bytes([status]))
        elif do == "shout" and to in peer.groups:
            peer.say(SHOUT, string(to), content)
        elif do == "whisper" and peer.id == uuid.UUID(to):
            peer.say(WHISPER, b"", content)
        elif do == "ping":
            peer.say(PING)

threading.excepthook = lambda e: hold(isinstance(e.exc_value, (OSError, EOFError)), repr(e.exc_value))
listener = socket.create_server(("127.0.0.1", 0))
ENDPOINT = f"tcp://127.0.0.1:{(PORT := listener.getsockname()[1])}"
ears, mouth = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
ears.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
ears.bind(("", BEACON_PORT))
mouth.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
mouth.bind(("127.0.0.1", 0))
print(json.dumps({"Type": "ready", "Peer": OWN.hex.upper(), "Addr": ENDPOINT}), flush=True)
for work in (accept, hear, pulse):
    start(work)
for line in sys.stdin:
    with everything:
        obey(json.loads(line))
beacon(0)
