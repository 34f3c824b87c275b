"""A chat: chat.py NAME. What you type goes to everybody in the group "chat"."""

import asyncio
import sys

import once


async def show(node: once.Node) -> None:
    async for event in node:
        if event.type == once.EventType.JOIN:
            print(f"* {event.peer.name} is here", flush=True)
        elif event.type == once.EventType.EXIT and event.reason != "stopped":
            print(f"* {event.peer.name} has left", flush=True)
        elif event.type == once.EventType.SHOUT:
            print(f"{event.peer.name}: {event.msg[0].decode()}", flush=True)


async def main() -> None:
    async with once.Node(sys.argv[1] if len(sys.argv) > 1 else "", groups=["chat"]) as node:
        shower = asyncio.create_task(show(node))
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            await node.shout_async("chat", line.rstrip("\n"))
        await node.stop_async()
        await shower  # the events end when the node has stopped


asyncio.run(main())
