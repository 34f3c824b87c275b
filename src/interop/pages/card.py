#!/usr/bin/env python3
"""A reader of cards, which knows no more than generated/doc/once_card.md says, and RFC 8032.
It takes the vectors of cards as JSON from its input, and ends at what is not as the page
says; else it prints the id that the card is of, the octets that the card has, and those of
the sealing key that it names.
"""
import hashlib, io, json, sys, uuid

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
SIZES = {"identity": 32, "transport": 32, "sealing": 32, "proof": 64}

def hold(true, what):
    if not true:
        sys.exit(what + " is not as the page says")

def point(octets):
    """Returns a point of the curve (RFC 8032, 5.1.3) in extended coordinates."""
    y = int.from_bytes(octets, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    hold((x * x - square) % P == 0 and y < P, "a point")
    return extended(P - x if x & 1 != sign else x, y)

def extended(x, y):
    return x, y, 1, x * y % P

def add(a, b):
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    u, v = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P

def times(n, a):
    sum = extended(0, 1)
    while n:
        if n & 1:
            sum = add(sum, a)
        a, n = add(a, a), n >> 1
    return sum

def signed(key, message, proof):
    base = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    k = int.from_bytes(hashlib.sha512(proof[:32] + key + message).digest(), "little")
    a, b = times(int.from_bytes(proof[32:], "little"), base), add(point(proof[:32]), times(k, point(key)))
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0

def read(octets):
    """Reads a CARD."""
    r, card = io.BytesIO(octets), {}
    hold(r.read(4) == b"\xaa\xa3\1\1", "the head of a card")
    for field in ("identity", "transport", "sealing", "incarnation", "not before", "expiry", "proof"):
        size = SIZES.get(field)
        if size:
            hold(int.from_bytes(r.read(4), "big") == size, field)
        card[field] = r.read(size or 8)
    hold(r.tell() == len(octets) and len(card["proof"]) == 64, "the end of a card")
    return card

v = json.load(sys.stdin)
octets, key = bytes.fromhex(v["Card"]), bytes.fromhex(v["SealingKey"])
card = read(octets)
hold(signed(card["identity"], b"once_card 1\0" + octets[: -64 - 4], card["proof"]), "the proof")
hold(card["not before"] < card["expiry"], "the time")
hold(len(key) == 1216 and hashlib.sha256(key).digest() == card["sealing"], "the sealing key")
id = bytearray(hashlib.sha256(card["identity"]).digest()[:16])
id[6], id[8] = id[6] & 0x0F | 0x80, id[8] & 0x3F | 0x80
hold(str(uuid.UUID(bytes=bytes(id))) == v["ID"], "the id")
print(v["ID"], len(octets), len(key))
