"""A slow way to a server: its connections carry so many bytes in a second in all, each way, and break off at times."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

_PIECE = 16_384


class _Way:
    """One way of all connections."""

    def __init__(self, rate: float) -> None:
        self._rate, self._free_at = rate, 0.0

    async def take(self, size: int) -> None:
        self._free_at = max(self._free_at, time.monotonic()) + size / self._rate
        await asyncio.sleep(self._free_at - time.monotonic())


@contextmanager
def slow_network(host: str, port: int, *, rate: float, lasts_s: float | None = None) -> Iterator[int]:
    """The port of this machine that leads there; a connection breaks off when it has lasted for `lasts_s`."""
    there, back = _Way(rate), _Way(rate)
    begun: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: _Way) -> None:
        while data := await reader.read(_PIECE):
            await way.take(len(data))
            writer.write(data)
            await writer.drain()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader_2, writer_2 = await asyncio.open_connection(host, port)
        try:
            async with asyncio.timeout(lasts_s), asyncio.TaskGroup() as both:
                both.create_task(carry(reader, writer_2, there))
                both.create_task(carry(reader_2, writer, back))
        except (TimeoutError, ExceptionGroup, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            writer_2.transport.abort()

    async def serve() -> None:
        ended = asyncio.Event()
        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            begun.set_result((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), ended))
            await ended.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for one in others:
            one.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.1)  # for transports to close

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    listens, loop, ended = begun.result()
    try:
        yield listens
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
