"""Objects by name. The one write that guards anything is `claim`: of all who claim a name, the first one has it."""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from somagent.operators.runner.folders import sync
from somagent.operators.runner.threads import in_thread, pause, stop_if_unwanted
from somagent.workflows.engines.protocol import EngineError, StoreRefused, StoreUnreachable

T = TypeVar("T")

PATIENCE_S = 60.0  # how long a store that does not answer is waited for
_ANSWER_S = 10  # one request
_PART_S = 60  # one part of a file on its way to the store
_SMALL_BYTES = 1024 * 1024  # so much goes in one request at that pace, and who stores it can be stopped soon
_PART_BYTES, _PARTS_AT_ONCE = 5 * 1024 * 1024, 2  # no store takes smaller ones; together they go at 175 kB/s or more
_CHUNK_BYTES = 64 * 1024  # of a file on its way from the store: what has come is not asked for again
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
_OFTEN = 1000  # tries that only time bounds
_TOLD_S = 2.0  # for which nobody wonders why nothing is seen

# Of listings and deletions; other requests have errors of their own. 409 is that of two who write at once.
_REFUSAL = re.compile(r"status code: 4(?!08|09|29)\d\d|\(code: AccessDenied\)")
_KEEPER = "169.254.169.254"  # asked for credentials when the environment has none
_NO_KEY = "; no credentials are set (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), and this machine is given none"


class Found(NamedTuple):
    """An object as a listing tells of it."""

    name: str
    size: int  # bytes
    modified: datetime  # when it was stored; by the store's clock


class Bucket:
    """The objects below an address: a folder (`file:///srv/runs`), or `s3://`, `gs://` or `az://` with a prefix.

    Credentials and endpoints are those of the environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, ...). Raises
    `StoreUnreachable` when the store has not answered for `patience_s`, and `StoreRefused` when it refuses. `says` is
    told when the first answer does not come.
    """

    def __init__(
        self, address: str, *, patience_s: float = PATIENCE_S, says: Callable[[str], object] | None = None
    ) -> None:
        self.address = address.rstrip("/")
        self._folder = _folder_of(self.address)
        self._store = _open(self.address, self._folder, _ANSWER_S, tries_for_s=0)
        self._patience_s, self._says = patience_s, says
        self._lasting: set[Path] = set()  # folders that are on the disk themselves

    @cached_property
    def _parts(self) -> Any:
        """For files on their way to the store; most processes have none, and it takes 4 ms."""
        return _open(self.address, self._folder, _PART_S, tries_for_s=self._patience_s)

    async def claim(self, name: str, content: bytes) -> bytes:
        """What stands under the name from now on: `content`, or what somebody stored there before.

        An answer that got lost does not matter: who asks again finds what it stored itself. So content must differ
        from what others would store, wherever it matters whose it is.
        """
        import obstore  # noqa: PLC0415 - 30 ms, and an extra

        for wait_s in self._waits():
            try:
                await self._patiently(name, lambda: obstore.put_async(self._store, name, content, mode="create"))
            except obstore.exceptions.AlreadyExistsError as error:
                stands = await self.read(name)
                if stands is not None:
                    return stands
                if not wait_s:
                    raise self._silent(name, error) from error
                await asyncio.sleep(wait_s)  # a store may refuse those who write at once, one and all
            else:
                break
        if self._folder is not None:
            await in_thread(self._make_durable, self._folder, name)
        return content

    async def read(self, name: str) -> bytes | None:
        """The object, None when there is none."""
        import obstore  # noqa: PLC0415

        async def get() -> bytes:
            return bytes(await (await obstore.get_async(self._store, name)).bytes_async())

        try:
            return await self._patiently(name, get)
        except FileNotFoundError:
            return None

    async def overwrite(self, name: str, content: bytes) -> None:
        """Stores the object, whatever stood there: for signs of life, which guard nothing."""
        import obstore  # noqa: PLC0415

        await self._patiently(name, lambda: obstore.put_async(self._store, name, content))

    async def names(self, folder: str) -> list[str]:
        """All names below `folder/`, sorted."""
        return [one.name for one in await self.listing(folder)]

    async def listing(self, folder: str) -> list[Found]:
        """All objects below `folder/`, by name."""
        import obstore  # noqa: PLC0415

        async def listed() -> list[Found]:
            found = await obstore.list(self._store, folder).collect_async()
            return [Found(meta["path"], meta["size"], meta["last_modified"]) for meta in found]

        return sorted(await self._patiently(folder, listed))

    async def begins_with(self, one: Found, start: bytes) -> bool:
        """Whether the object begins so; only that much is read."""
        import obstore  # noqa: PLC0415

        if one.size < len(start):
            return False
        ask = partial(obstore.get_range_async, self._store, one.name, start=0, length=len(start))
        try:
            return bytes(await self._patiently(one.name, ask)) == start
        except FileNotFoundError:
            return False

    async def move(self, name: str, to: str) -> None:
        """Moves an object that nobody changes; one that is gone already was moved by others."""
        import obstore  # noqa: PLC0415

        with suppress(FileNotFoundError):
            await self._patiently(name, lambda: obstore.copy_async(self._store, name, to))
            await self._patiently(name, lambda: obstore.delete_async(self._store, name))

    async def delete(self, names: list[str]) -> None:
        """Deletes the objects, those that are gone already too."""
        import obstore  # noqa: PLC0415

        for start in range(0, len(names), 1000):
            some = names[start : start + 1000]
            try:
                await self._patiently(some[0], partial(obstore.delete_async, self._store, some))
            except FileNotFoundError:  # of a folder, which ends at the first that is gone
                for one in some:
                    with suppress(FileNotFoundError):
                        await self._patiently(one, partial(obstore.delete_async, self._store, one))

    def fetch_to(self, name: str, path: Path) -> bool:
        """Writes an object of any size into a new file; False when there is none. `OSError` of the file is passed on.

        What breaks off is gone on with; the store's silence counts from the last byte that came.
        """
        try:
            with path.open("wb") as file:
                for chunk in self._chunks(name):
                    stop_if_unwanted()
                    file.write(chunk)
        except FileNotFoundError:
            path.unlink(missing_ok=True)
            return False
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                error.filename = str(path)  # a write that fails does not say where
            raise
        return True

    def _chunks(self, name: str) -> Iterator[Any]:
        import obstore  # noqa: PLC0415

        come, size, waits = 0, 1, self._waits()
        while come < size:
            try:
                found = obstore.get(self._store, name, options={"range": {"offset": come}} if come else {})
                size = found.meta["size"]
                for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
                    come, waits = come + len(chunk), self._waits()
                    yield chunk
            except FileNotFoundError:
                raise
            except Exception as error:
                wait_s = next(waits)
                self._check(name, error, wait_s)
                pause(wait_s)

    def store_from(self, name: str, path: Path) -> None:
        """Stores a file of any size, unless the object is there already; unwanted, it stops after a part or request."""
        import obstore  # noqa: PLC0415

        for wait_s in self._waits():
            try:
                if not self._has(name):
                    size = path.stat().st_size
                    parts = path if size <= _PART_BYTES else _parts_of(path)
                    store = self._store if size <= _SMALL_BYTES else self._parts
                    obstore.put(store, name, parts, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)
                    if self._folder is not None:
                        self._make_durable(self._folder, name)
            except Exception as error:
                self._check(name, error, wait_s)
                pause(wait_s)
            else:
                return

    def _has(self, name: str) -> bool:
        import obstore  # noqa: PLC0415

        try:
            obstore.head(self._store, name)
        except FileNotFoundError:
            return False
        return True

    async def _patiently(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        if self._says is None:
            return await self._asked(name, ask)
        most = f"{self._patience_s:.0f} s at most"
        telling = asyncio.get_running_loop().call_later(
            _TOLD_S, self._says, f"{self.address} does not answer yet; it is waited for, {most}"
        )
        self._says = None
        try:
            return await self._asked(name, ask)
        finally:
            telling.cancel()

    async def _asked(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        import obstore  # noqa: PLC0415

        for wait_s in self._waits():
            try:
                return await ask()
            except (FileNotFoundError, obstore.exceptions.AlreadyExistsError):
                raise
            except Exception as error:
                self._check(name, error, wait_s)
            await asyncio.sleep(wait_s)
        raise AssertionError

    def _waits(self) -> Iterator[float]:
        return _waits(time.monotonic() + self._patience_s)

    def _check(self, name: str, error: Exception, wait_s: float) -> None:
        """Raises what is not worth another try."""
        import obstore  # noqa: PLC0415

        where = f"{self.address}/{name}"
        generic = isinstance(error, obstore.exceptions.GenericError) and not _REFUSAL.search(str(error))
        if generic or type(error) is OSError:
            if not wait_s:
                raise self._silent(name, error) from error
        elif isinstance(error, obstore.exceptions.BaseError | OSError):
            raise StoreRefused(f"{where} was refused: {_said(error)}") from error
        else:
            raise error

    def _silent(self, name: str, error: Exception) -> StoreUnreachable:
        where = f"{self.address}/{name}"
        return StoreUnreachable(
            f"{where} has not answered for {self._patience_s:.0f} s: {_said(error)}; nothing recorded is lost"
            + _NO_KEY * (_KEEPER in str(error))
        )

    def _make_durable(self, root: Path, name: str) -> None:
        """A folder is told to wait for the disk; an object store has done so when it answers."""
        path = root / name
        sync(path)
        sync(path.parent)
        for folder in path.parent.parents:
            if path.parent in self._lasting or not folder.is_relative_to(root):
                break
            sync(folder)
        self._lasting.add(path.parent)


def _parts_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            stop_if_unwanted()
            yield part


def _waits(until: float) -> Iterator[float]:
    """How long to wait before asking again, each time; 0 when there is no time left."""
    wait_s = _FIRST_WAIT_S
    while True:
        stop_if_unwanted()
        some = wait_s * random.uniform(0.5, 1)  # noqa: S311 - so that not all ask at once again
        yield max(0.0, min(some, until - time.monotonic()))  # the last time when all of it is over
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _folder_of(address: str) -> Path | None:
    parts = urlsplit(address)
    if parts.scheme not in {"file", ""}:
        return None
    return Path(unquote(parts.path)).absolute()


def _open(address: str, folder: Path | None, request_s: float, *, tries_for_s: float) -> Any:
    """The library's own store; it makes no request anew later than `tries_for_s` after the first one."""
    try:
        from obstore.store import LocalStore, from_url  # noqa: PLC0415
    except ImportError as error:
        raise EngineError(
            f"runs at {address} need the extra `objects`; install it with: pip install 'somagent[objects]'"
        ) from error
    if folder is not None:
        return LocalStore(folder, mkdir=True)
    if urlsplit(address).scheme == "memory":
        raise EngineError(f"`{address}` is gone with this process: no object store is there for runs")
    insecure = os.environ.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", "")).startswith("http://")
    try:
        return from_url(
            address,
            client_options={
                "timeout": timedelta(seconds=request_s),
                "connect_timeout": timedelta(seconds=_ANSWER_S),
                "allow_http": insecure,
            },
            retry_config={
                "max_retries": _OFTEN if tries_for_s else 0,
                "retry_timeout": timedelta(seconds=tries_for_s),
                "backoff": {"max_backoff": timedelta(seconds=_LONGEST_WAIT_S)},
            },
        )
    except Exception as error:
        raise EngineError(f"`{address}` is no address of an object store: {_said(error)}") from error


def _said(error: BaseException) -> str:
    """The library adds its own debugging lines to a message."""
    return str(error).partition("\n\nDebug source")[0].strip().replace("\n", " ")
