"""Told by the engine, in a thread of its own: the engine puts an event into a queue, and that is all that it does.

A session lasts from the first event until the engine closes its journal; then what is left is sent in the background,
and whoever ends the process waits for that, for so long at most.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from queue import SimpleQueue

from somagent.operators.runner.trace_context import Signal
from somagent.workflows.engines.local.rows import Rows
from somagent.workflows.engines.local.store import Store
from somagent.workflows.engines.protocol import EngineError, Event
from somagent.workflows.telemetry import logs_as_json
from somagent.workflows.telemetry.json_lines import JsonLines, write_line
from somagent.workflows.telemetry.reading import Reader
from somagent.workflows.telemetry.signals import Measure, Sink, Told

MOST = 50_000  # things to be told that wait; more are dropped
CLOSING_S = 5.0  # how long the end of the process waits for what is being sent
_READ_S = 2.0  # how long the engine's end waits for what is read from the journal


class Telemetry:
    """Tells of all runs of an engine; an `Observer`."""

    def __init__(self, store: Store, signals: Sequence[Signal], env: Mapping[str, str]) -> None:
        self._store, self._signals, self._env = store, signals, env
        self._session: _Session | None = None
        self._commit_began = 0.0

    def tell(self, event: Event) -> None:
        """Something happened."""
        self._put(event)

    def took_over(self) -> None:
        """The engine works on what another process left behind."""
        self._put(Measure(name="somagent.lease.takeovers", value=1))

    def passed(self, point: str) -> None:
        """The journal's writer has come to this point (`writer.Crash`): so long does a commit take."""
        moment = point.rpartition(".")[2]
        if moment == "before" and not self._commit_began:
            self._commit_began = time.perf_counter()
        elif moment == "committed" and self._commit_began:
            took, self._commit_began = time.perf_counter() - self._commit_began, 0.0
            session = self._session
            if session is not None:
                session.put(Measure(name="somagent.journal.commit.duration", value=took))

    def close(self) -> None:
        """Ends the session; what is left is sent in the background."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _put(self, what: Event | Measure) -> None:
        if self._session is None:
            self._session = _Session(self._store, self._signals, self._env)
        self._session.put(what)


class _Session:
    def __init__(self, store: Store, signals: Sequence[Signal], env: Mapping[str, str]) -> None:
        self._store, self._signals, self._env = store, signals, env
        self._queue: SimpleQueue[Event | Measure | None] = SimpleQueue()
        self._dropped = 0
        self._is_over = False
        self._warned = threading.Lock()
        self._read = threading.Event()
        self._sinks: list[Sink] = []
        self._thread = threading.Thread(target=self._serve, name="somagent-telemetry", daemon=True)
        self._thread.start()
        atexit.register(self._finish)

    def put(self, what: Event | Measure) -> None:
        if self._queue.qsize() >= MOST:
            self._dropped += 1
        elif not self._is_over:
            self._queue.put(what)

    def close(self) -> None:
        self._queue.put(None)
        self._read.wait(_READ_S)

    def _finish(self) -> None:
        """Waits until all is sent, as long as that is worth it."""
        self.close()
        end = time.monotonic() + CLOSING_S
        while self._thread.is_alive() and time.monotonic() < end and not any(one.is_failing for one in self._sinks):
            self._thread.join(0.02)
        if self._thread.is_alive():
            self._warn("not everything was sent: the collector is too slow, or away")

    def _serve(self) -> None:
        try:
            self._sinks.extend(self._opened())
            self._tell_all()
        except Exception as error:  # whatever it is, runs go on
            self._warn(f"nothing more is told: {type(error).__name__}: {error}")
        finally:
            self._is_over = True
            self._read.set()
        if self._dropped:
            self._warn(f"{self._dropped:,} events came too fast and were dropped")
        for sink in self._sinks:
            sink.close()
        atexit.unregister(self._finish)

    def _tell_all(self) -> None:
        rows: Rows | None = None
        try:
            while (what := self._queue.get()) is not None:
                if isinstance(what, Measure):
                    self._pass_on((what,))
                    continue
                if rows is None:
                    rows = Rows(self._store)
                    reader = Reader(rows)
                self._pass_on(reader.tell(what))
        finally:
            if rows is not None:
                rows.close()

    def _pass_on(self, told: Sequence[Told] | Iterator[Told]) -> None:
        for one in told:
            for sink in self._sinks:
                sink.take(one)

    def _opened(self) -> Iterator[Sink]:
        if logs_as_json(self._env):
            yield JsonLines(self._env)
        if self._signals:
            try:
                from somagent.workflows.telemetry.sending import Sending  # noqa: PLC0415  0.3 s, and an extra
            except ImportError:
                self._warn(
                    "variables OTEL_* ask for OpenTelemetry, which is not installed, so nothing is sent: "
                    "pip install 'somagent[otel]', or set OTEL_SDK_DISABLED=true"
                )
                return
            yield Sending(self._signals, self._env, self._warn, self._gates_waiting)

    def _gates_waiting(self) -> int | None:
        try:
            rows = Rows(self._store)
            try:
                return Reader(rows).gates_waiting()
            finally:
                rows.close()
        except EngineError:  # the journal cannot be read at the moment, or has gone
            return None

    def _warn(self, text: str) -> None:
        """One line, once."""
        if not self._warned.acquire(blocking=False):
            return
        if logs_as_json(self._env):
            write_line("WARN", "somagent.telemetry", datetime.now(UTC), {"text": f"telemetry: {text}"})
            return
        try:
            sys.stderr.write(f"warning: telemetry: {text}\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass
