"""A relay before an object store that notes every request: what the pods of a run ask of their ledger, on the wire.

`python benchmarks/store_meter.py HOST URL NOTES`. It listens at HOST, prints its own address, and passes all on to the
store at URL as it is. NOTES gets a line of JSON for each answer (`Call`). The milliseconds are those from the last byte
of a request to the last byte of its answer, as the relay sees them: the store's own time, without the client's.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct


class Call(Struct):
    """One request and its answer."""

    at: float  # when the answer was passed on, seconds since the epoch
    who: str  # address of the client: a pod has one of its own
    method: str
    path: str
    status: int
    sent: int  # bytes of the request, head included
    received: int  # bytes of the answer
    ms: float


def calls(notes: Path) -> list[Call]:
    """What was noted so far."""
    with notes.open("rb") as lines:
        return [msgspec.json.decode(line, type=Call) for line in lines if line.endswith(b"\n")]


async def _head(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, str]]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    return head, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "chunked" not in headers.get("transfer-encoding", ""):
        return await reader.readexactly(int(headers.get("content-length", "0")))
    parts = []
    while True:
        size = await reader.readuntil(b"\r\n")
        parts += [size, await reader.readexactly(int(size, 16) + 2)]
        if not int(size, 16):
            return b"".join(parts)


async def _relayed(
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter], store: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> Call:
    head, headers = await _head(client[0])
    request = head + await _body(client[0], headers)
    method, path, _ = head.split(b" ", 2)
    store[1].write(request)
    await store[1].drain()
    start = time.perf_counter()
    head, headers = await _head(store[0])
    has_body = method != b"HEAD" and head.split(b" ", 2)[1] not in {b"204", b"304"}
    answer = head + (await _body(store[0], headers) if has_body else b"")
    ms = (time.perf_counter() - start) * 1000
    client[1].write(answer)
    await client[1].drain()
    return Call(
        at=time.time(),
        who=client[1].get_extra_info("peername")[0],
        method=method.decode(),
        path=unquote(path.decode()),
        status=int(head.split(b" ", 2)[1]),
        sent=len(request),
        received=len(answer),
        ms=ms,
    )


async def _serve(host: str, url: str, notes: Path) -> None:
    to = urlsplit(url)
    assert to.hostname is not None, url

    with notes.open("wb", buffering=0) as file:

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.IncompleteReadError):  # either side hangs up; the client asks again
                store = await asyncio.open_connection(to.hostname, to.port or 80)
                try:
                    while True:
                        file.write(msgspec.json.encode(await _relayed((reader, writer), store)) + b"\n")
                finally:
                    store[1].close()
            writer.close()

        server = await asyncio.start_server(connected, host, 0)
        print(f"http://{host}:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
