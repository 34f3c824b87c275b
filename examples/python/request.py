"""Requests and replies: "request.py serve NAME" answers, "request.py ask NAME TEXT" asks
whoever serves. A request is a number and a text; its reply has the same number."""

import sys

import once


def serve(name: str) -> None:
    with once.Node(name, headers={"service": "upper"}) as node:
        for event in node:
            if event.type == once.EventType.WHISPER and len(event.msg) == 2:
                number, text = event.msg
                node.whisper(event.peer, [number, text.upper()])


def ask(name: str, text: str) -> None:
    with once.Node(name) as node:
        for event in node:
            if event.type == once.EventType.ENTER and event.peer.header("service") == "upper":
                node.whisper(event.peer, [b"1", text])
            elif event.type == once.EventType.WHISPER and event.msg[0] == b"1":
                print(event.msg[1].decode())
                return


if sys.argv[1:2] == ["serve"] and len(sys.argv) == 3:
    serve(sys.argv[2])
elif sys.argv[1:2] == ["ask"] and len(sys.argv) == 4:
    ask(*sys.argv[2:])
else:
    sys.exit("request.py serve NAME, or request.py ask NAME TEXT")
