"""What becomes of a Python program that is careless with its nodes."""

import asyncio
import collections
import subprocess
import sys
import threading
import time

import once


def node(name: str, **settings: object) -> once.Node:
    return once.Node(name, interfaces="127.0.0.1", beacon_port=25672, **settings)  # type: ignore[arg-type]


def events_end_when_another_thread_closes() -> None:
    ana = node("ana")
    ana.start()
    threading.Timer(0.3, ana.close).start()
    assert all(event.type for event in ana)


def a_time_that_no_float_holds_is_refused() -> None:
    with node("ana") as ana:
        for timeout in (10**400, -(10**400), 1e300, float("nan")):
            try:
                ana.recv(timeout=timeout)
            except once.ArgumentError as error:
                assert "allowed" in str(error), error
            else:
                raise AssertionError("a time is taken that is none")


def events_end_when_a_task_closes() -> None:
    async def iterate(ana: once.Node) -> None:
        async for _ in ana:
            pass

    async def main() -> None:
        async with node("ana") as ana:
            task = asyncio.create_task(iterate(ana))
            await asyncio.sleep(0.3)
        await asyncio.wait_for(task, 5)

    asyncio.run(main())


def tasks_that_wait_leave_asyncio_its_threads() -> None:
    async def main(ana: once.Node, ben: once.Node) -> None:
        peer = (await ana.recv_async(timeout=10)).peer
        asks = [asyncio.create_task(ana.ask_async(peer, "which nobody answers")) for _ in range(40)]
        for _ in asks:
            while not (await ben.recv_async(timeout=10)).question:
                pass
        await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, ana.peers), 10)
        for ask in asks:
            ask.cancel()
        ends = await asyncio.wait_for(asyncio.gather(*asks, return_exceptions=True), 10)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends

    with node("ana") as ana, node("ben") as ben:
        asyncio.run(main(ana, ben))


def many_tasks_wait_and_others_go_on() -> None:
    async def main() -> None:
        async with node("ana") as ana, node("ben") as ben:
            peer = (await ana.recv_async(timeout=10)).peer
            asks = [asyncio.create_task(ana.ask_async(peer, "which nobody answers")) for _ in range(1030)]
            while (ended := sum(ask.done() for ask in asks)) < 6:  # one peer takes 1024 questions
                await asyncio.sleep(0.05)
            assert ended == 6, ended
            await asyncio.wait_for(ana.ping_async(peer), 20)
            await asyncio.wait_for(ana.stop_async(), 20)
            ends = await asyncio.wait_for(asyncio.gather(*asks, return_exceptions=True), 20)
            assert all(isinstance(end, once.OnceError) for end in ends), ends

    asyncio.run(main())


def a_task_that_is_cancelled_leaves_a_stop_to_go_on() -> None:
    async def main() -> None:
        failed: list[object] = []
        threading.excepthook = failed.append
        ana = node("ana")
        ana.start()
        stop = asyncio.create_task(ana.stop_async())
        await asyncio.sleep(0)
        stop.cancel()
        await asyncio.wait([stop])
        while any(thread.name == "once" for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
        threading.excepthook = threading.__excepthook__
        assert stop.cancelled() and not failed, failed

    asyncio.run(main())


def a_program_ends_whose_tasks_wait() -> None:
    program = """
import asyncio, once
async def main():
    ana = once.Node("ana", interfaces="127.0.0.1", beacon_port=25672)
    ana.start()
    waiting = asyncio.ensure_future(ana.recv_async())
    await asyncio.sleep(0.3)
    return waiting
kept = asyncio.new_event_loop().run_until_complete(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20, stderr=subprocess.DEVNULL)


def threads_that_receive_at_a_time_lose_and_double_nothing() -> None:
    ana, ben = node("ana"), node("ben")
    ana.start()
    ben.start()
    peer = ana.recv(timeout=10).peer
    got: collections.Counter[bytes] = collections.Counter()
    over = False

    def receive() -> None:
        while not over:
            try:
                got.update(event.msg[0] for event in ben.recv_batch(timeout=0.05) if event.type == once.EventType.WHISPER)
            except (once.BusyError, once.TimedOutError):
                pass

    threads = [threading.Thread(target=receive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(5000):
        ana.whisper(peer, str(i))
    ana.flush(timeout=20)
    time.sleep(0.5)
    over = True
    for thread in threads:
        thread.join()
    ana.close()
    ben.close()
    assert len(got) == 5000 and set(got.values()) == {1}, (len(got), set(got.values()))


for test in (a_time_that_no_float_holds_is_refused, events_end_when_another_thread_closes, events_end_when_a_task_closes, tasks_that_wait_leave_asyncio_its_threads, many_tasks_wait_and_others_go_on, a_task_that_is_cancelled_leaves_a_stop_to_go_on, a_program_ends_whose_tasks_wait, threads_that_receive_at_a_time_lose_and_double_nothing):
    test()
    print(test.__name__.replace("_", " ") + ": ok", flush=True)
