"""What the printed module stands on: the library, its errors, and how values cross."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import ctypes
import functools
import logging
import os
import struct
import sys
import threading
import time
import warnings
from typing import Any, AsyncIterator, Callable, Generic, Iterator, TypeVar, Union

from ._crossing import BUSY, PENDING, TIMED_OUT, OnceError, errors, handle, millis

Handler = Union[Callable[..., None], logging.Logger]
T = TypeVar("T")
E = TypeVar("E")

_here = os.path.dirname(os.path.abspath(__file__))
_name = {"darwin": "libonce.dylib", "win32": "once.dll"}.get(sys.platform, "libonce.so")
lib = ctypes.CDLL(os.environ.get("ONCE_LIBRARY") or os.path.join(_here, _name))
quick = ctypes.PyDLL(lib._name)  # for calls that do not wait, so that others need not run meanwhile

_SLICE = 200  # milliseconds after which a wait looks for signals
_BUFFER = 1 << 18
_MAIN = threading.main_thread()  # where signals are seen to


class Data(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Id(ctypes.Structure):
    _fields_ = [("octets", ctypes.c_uint8 * 16)]


lib.once_close.argtypes = (ctypes.c_uint64,)
lib.once_message.argtypes = (ctypes.c_uint64, ctypes.c_int, ctypes.POINTER(Data))
lib.once_free.argtypes = (ctypes.POINTER(Data),)
lib.once_free.restype = None
lib.once_compatible.argtypes = (ctypes.c_int, ctypes.c_char_p)
lib.once_version.restype = ctypes.c_char_p
lib.once_cancel_new.argtypes = (ctypes.POINTER(ctypes.c_uint64),)
lib.once_cancel.argtypes = (ctypes.c_uint64,)
quick.once_call_new.argtypes = (ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64, ctypes.POINTER(ctypes.c_uint64))
lib.once_descriptor.argtypes = (ctypes.c_uint64, ctypes.POINTER(ctypes.c_int))

def fail(handle: int, code: int) -> OnceError:
    """Returns the exception for a code that a call on a handle returned."""
    data = Data()
    text = ""
    if lib.once_message(handle, code, ctypes.byref(data)) == 0:
        text = take(data).decode(errors="replace")
    kind = errors.get(code, OnceError)
    error = kind(text or kind.__doc__ or f"error {code}")
    error.code = code
    return error


def take(data: Data) -> bytes:
    """Returns what the library gave, and releases it."""
    octets = ctypes.string_at(data.data, data.size) if data.size else b""
    lib.once_free(ctypes.byref(data))
    return octets


class Handle:
    """An object of the library. Closing it closes what belongs to it; twice is safe."""

    _handle = 0
    _number = b""  # the handle as C has it
    _closed = False  # or it is being closed
    _parent: Handle | None = None

    @classmethod
    def _of(cls: type[T], handle: int, parent: Handle | None = None) -> T:
        made = cls.__new__(cls)
        made._own(handle)  # type: ignore[attr-defined]
        made._parent = parent  # type: ignore[attr-defined]
        return made

    def _own(self, handle: int) -> None:
        self._handle = handle
        self._number = struct.pack("Q", handle)

    def close(self) -> None:
        """Closes it, and what belongs to it. A node says goodbye before."""
        self._closed = True
        code = linger(lib.once_close, self._handle)
        if code:
            raise fail(self._handle, code)

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._handle and lib is not None:
            lib.once_close(self._handle)


class Cancel(Handle):
    """Ends calls that wait with it."""

    def __init__(self) -> None:
        made = ctypes.c_uint64()
        code = lib.once_cancel_new(ctypes.byref(made))
        if code:
            raise fail(0, code)
        self._own(made.value)

    def cancel(self) -> None:
        """Ends all calls that wait with this, now and from then on."""
        lib.once_cancel(self._handle)


def wait(call: Callable[[int, int], Any], timeout: float | None, cancel: Cancel | None, again: bool) -> Any:
    """Makes a call that waits so long, unless cancel ends it. In the main thread it waits in
    slices, between which signals are seen to, and in any other without. again says that what
    was not done in no time may be begun anew."""
    left = millis(timeout)
    token = handle(cancel, "cancel", Cancel) if cancel is not None else 0
    if again:
        code = call(0, token)
        if left == 0 or code != TIMED_OUT:
            return code
    if threading.current_thread() is not _MAIN:
        return call(left, token)
    made = ctypes.c_uint64()
    code = int(quick.once_call_new(left, token, 0, ctypes.byref(made))) or PENDING
    try:
        while code == PENDING:
            code = call(_SLICE, made.value)
        return code
    finally:
        lib.once_close(made.value)


def linger(call: Callable[[int], Any], number: int) -> Any:
    """Makes a call that takes a while, and ends by itself, so that signals are seen to: what
    they raise ends the wait for it and not the call."""
    if threading.current_thread() is not _MAIN:
        return call(number)
    try:
        made = behind(call, number)
    except RuntimeError:  # the interpreter ends, and begins no threads
        return call(number)
    return made.result()


def behind(call: Callable[..., T], *args: Any) -> concurrent.futures.Future[T]:
    """Makes a call in a thread of its own, which does not hold up the end of the program: the
    threads of asyncio are few, others need them too, and they do."""
    made: concurrent.futures.Future[T] = concurrent.futures.Future()
    made.set_running_or_notify_cancel()  # a task that is cancelled gives up the wait alone

    def run() -> None:
        try:
            made.set_result(call(*args))
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, name="once", daemon=True).start()
    return made


async def apart(call: Callable[..., T], *args: Any, timeout: float | None) -> T:
    """Runs a call that waits in a thread; it ends when the task is cancelled."""
    cancel = Cancel()
    try:
        done = asyncio.wrap_future(behind(functools.partial(call, *args, timeout=timeout, cancel=cancel)))
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            cancel.cancel()
            await asyncio.wait([done])
            done.exception()
            raise
    finally:
        cancel.close()


async def beside(call: Callable[..., T], *args: Any) -> T:
    """Runs a call that ends by itself in a thread."""
    return await asyncio.wrap_future(behind(call, *args))


class Source(Handle, Generic[E]):
    """An object that has events: for event in it, or async for."""

    _receive: Any
    _decode: Any
    _ends: type[OnceError]
    _timed_out: type[OnceError]
    _room: type[OnceError]

    def _waiting(self) -> collections.deque[E]:
        found: collections.deque[E] | None = self.__dict__.get("_events")
        if found is None:
            found = self.__dict__["_events"] = collections.deque()
            self.__dict__["_buffer"] = ctypes.create_string_buffer(_BUFFER)
            self.__dict__["_size"] = ctypes.c_size_t()
        return found

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Receives in one thread at a time: what was received is not the library's any more."""
        receiving = self.__dict__.setdefault("_receiving", threading.Lock())
        if not receiving.acquire(blocking=False):
            raise fail(self._handle, BUSY)
        try:
            yield
        finally:
            receiving.release()

    def close(self) -> None:
        """Closes it, and what belongs to it. A node says goodbye before. What waits for its events ends."""
        self._closed = True
        for wake in list(self.__dict__.get("_wakes", ())):
            wake()
        super().close()

    def _fill(self, timeout: int, cancel: int) -> list[E]:
        """Receives events from the library, so many milliseconds long."""
        self._waiting()
        size: ctypes.c_size_t = self.__dict__["_size"]
        while True:
            buffer = self.__dict__["_buffer"]
            call = type(self)._receive
            code = call(self._handle, buffer, len(buffer), timeout, cancel, ctypes.byref(size))
            if code == 0:
                events: list[E] = type(self)._decode(ctypes.string_at(buffer, size.value))
                return events
            if code != self._room.code:
                raise fail(self._handle, code)
            self.__dict__["_buffer"] = ctypes.create_string_buffer(size.value)

    def _wait(self, timeout: float | None, cancel: Cancel | None) -> list[E]:
        """Waits in slices, between which signals are seen to."""
        end = None if timeout is None else time.monotonic() + millis(timeout) / 1000
        token, left = handle(cancel, "cancel", Cancel) if cancel is not None else 0, _SLICE
        while True:
            if end is not None:
                left = min(_SLICE, max(0, int((end - time.monotonic()) * 1000)))
            try:
                return self._fill(left, token)
            except self._timed_out:
                if left < _SLICE:
                    raise

    def _recv_batch(self, timeout: float | None, cancel: Cancel | None) -> list[E]:
        with self._alone():
            waiting = self._waiting()
            if waiting:
                events = list(waiting)
                waiting.clear()
                return events
            return self._wait(timeout, cancel)

    def _recv(self, timeout: float | None, cancel: Cancel | None) -> E:
        with self._alone():
            waiting = self._waiting()
            if not waiting:
                waiting.extend(self._wait(timeout, cancel))
            return waiting.popleft()

    def __iter__(self) -> Iterator[E]:
        waiting = self._waiting()
        while True:
            while waiting:
                yield waiting.popleft()
            try:
                with self._alone():
                    waiting.extend(self._wait(None, None))
            except OnceError as error:
                if self._closed or isinstance(error, self._ends):
                    return
                raise

    def fileno(self) -> int:
        """What select, poll and asyncio find readable while events wait."""
        found = ctypes.c_int()
        code = lib.once_descriptor(self._handle, ctypes.byref(found))
        if code:
            raise fail(self._handle, code)
        return found.value

    async def _arrival(self) -> None:
        """Waits until the descriptor is readable."""
        loop = asyncio.get_running_loop()
        there = loop.create_future()
        fd = self.fileno()

        def arrived() -> None:
            if not there.done():
                there.set_result(None)

        wakes = self.__dict__.setdefault("_wakes", set())
        wake = functools.partial(loop.call_soon_threadsafe, arrived)
        wakes.add(wake)
        loop.add_reader(fd, arrived)
        try:
            await there
        finally:
            wakes.discard(wake)
            loop.remove_reader(fd)

    async def __aiter__(self) -> AsyncIterator[E]:
        waiting = self._waiting()
        self.fileno()
        while True:
            while waiting:
                yield waiting.popleft()
            try:
                with self._alone():
                    waiting.extend(self._fill(0, 0))
            except OnceError as error:
                if self._closed or isinstance(error, self._ends):
                    return
                if not isinstance(error, self._timed_out):
                    raise
                await self._arrival()

    async def __aenter__(self: T) -> T:
        return await beside(self.__enter__)  # type: ignore[attr-defined]

    async def __aexit__(self, *_: object) -> None:
        await beside(self.close)


def guarded(handler: Handler) -> Callable[..., None]:
    """A handler that takes what C says. What it raises, C cannot take: it is warned of."""
    call: Callable[..., None] = handler  # type: ignore[assignment]
    if isinstance(handler, logging.Logger):
        call = log_to(handler)

    def guard(*args: Any) -> None:
        try:
            call(*args)
        except BaseException as error:
            warnings.warn(f"a handler of once has failed: {error!r}", RuntimeWarning, stacklevel=2)

    return guard


def log_to(logger: logging.Logger) -> Callable[[int, str, dict[str, str]], None]:
    """Has a node's log go to a logger."""

    def handler(level: int, message: str, attributes: dict[str, str]) -> None:
        tail = "".join(f" {key}={value}" for key, value in attributes.items())
        logger.log(20 + level * 5 // 2, "%s%s", message, tail)

    return handler
