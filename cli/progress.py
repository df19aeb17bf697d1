"""What is shown while a run goes on: a live table in a terminal, a line for each step that ends elsewhere."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO

from msgspec import Struct, field

from somagent.cli.printing import MARKS, console_for, duration, printable
from somagent.operators.runner.records import ENDED, NO_ITEM, Phase, RunRecord
from somagent.workflows.engines.protocol import EngineError, Event, RunView
from somagent.workflows.engines.run_names import path_below
from somagent.workflows.engines.views import items_words
from somagent.workflows.named_steps import steps_of
from somagent.workflows.telemetry import logs_as_json

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

    from somagent.capsule_compiler.plan import Plan
    from somagent.workflows.engines.local.crowding import Crowded

_MOST_ROWS, _MOST_NEEDS, _MOST_HOLDERS = 30, 3, 2
TURN = "waits for its turn"
_LOOK_S = 1.0  # how often it is asked who has what there is no more of


class Progress(Protocol):
    """Follows a run."""

    def tell(self, event: Event) -> None:
        """Takes what happened."""
        ...

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress_for(
    view: RunView, output: str, crowded: Callable[[], Mapping[str, Crowded]], *, named: bool = False
) -> Progress:
    """The live table when standard error is a terminal, else lines; with JSON output, lines on standard error.

    Where standard error has the log as lines of JSON, it has nothing else. `crowded` says what steps have to wait for;
    of a run that was `named` already, lines do not say the name.
    """
    if _is_live(output):
        return LiveTable(view, crowded)
    stream = _stream_of_lines(output)
    return Nothing() if stream is None else Lines(view, stream, crowded, named=named)


def name_run(run: RunRecord, output: str) -> None:
    """Says the name of a run before there is progress to be shown."""
    stream = sys.stderr if _is_live(output) else _stream_of_lines(output)
    if stream is not None:
        stream.write(f"{run.capsule} {run.id}\n")
        stream.flush()


def _is_live(output: str) -> bool:
    return output == "text" and not logs_as_json() and sys.stderr.isatty()


def _stream_of_lines(output: str) -> TextIO | None:
    if output == "text":
        return sys.stdout
    return None if logs_as_json() else sys.stderr


class Row(Struct):
    """A step as it stands."""

    id: str
    operator: str
    phase: Phase = "Pending"
    started: datetime | None = None
    ended: datetime | None = None
    items: int | None = None
    items_ended: list[Phase] = field(default_factory=list)
    attempt: int = 0
    note: str = ""
    needs: Sequence[str] = ()  # names of the steps that it comes after
    retry_at: datetime | None = None


class Rows:
    """The steps of a run, kept up to date by events."""

    def __init__(self, view: RunView) -> None:
        self._top = view.run.id
        self.rows: dict[str, Row] = {}
        needs: dict[int, dict[str, list[str]]] = {}  # by the plan, so that each is looked through once
        for name, within, step in steps_of(view):
            if step.item != NO_ITEM:
                continue
            row = Row(name, step.operator, step.phase, step.started_at, step.ended_at, attempt=step.attempts)
            row.retry_at = step.retry_at
            if id(within.plan) not in needs:
                needs[id(within.plan)] = _needs(within.plan)
            row.needs = [name.removesuffix(step.id) + one for one in needs[id(within.plan)][step.id]]
            if step.items:
                row.items = len(step.items)
                row.items_ended = [item.phase for item in step.items if item.phase in ENDED]
            self.rows[name] = row

    def take(self, event: Event) -> Row | None:
        """Brings the event's step up to date; the row when the step as a whole has just ended."""
        if event.kind == "run" or (event.kind == "trouble" and not event.key.step):
            return None
        name = path_below(self._top, event.key._replace(item=NO_ITEM))
        row = self.rows.get(name) or self._inside(name)
        of_item = event.key.item != NO_ITEM
        if event.kind == "attempt":
            row.phase, row.started, row.note, row.retry_at = "Running", row.started or event.at, "", None
            row.attempt = row.attempt if of_item else event.attempt
        elif event.kind == "opened":
            row.items, row.started = event.items, row.started or event.at
        elif event.kind == "waiting":
            row.phase, row.note = "Waiting", event.message
        elif event.kind == "trouble":
            row.note = event.message
        elif event.kind == "retry":
            row.note = event.message
            if not of_item:
                row.phase, row.retry_at = "Pending", event.retry_at
        elif event.kind == "result" and of_item:
            row.items_ended.append(event.phase)
        elif event.kind == "result":
            row.phase, row.ended, row.note = event.phase, event.at, event.message
            return row
        return None

    def waits_for(self, row: Row, now: datetime, crowded: Mapping[str, Crowded]) -> str:
        """Why a step has not begun: what it comes after, the time until it is tried again, what others have, room."""
        held = crowded.get(row.id)
        return self._comes_later(row, now) or (TURN if held is None else lacking(held))

    def kept_waiting(self, now: datetime, crowded: Mapping[str, Crowded]) -> Iterator[tuple[Row, Crowded]]:
        """The steps that could begin but for what there is no more of."""
        for row in self.rows.values():
            if row.phase == "Pending" and row.id in crowded and not self._comes_later(row, now):
                yield row, crowded[row.id]

    def _comes_later(self, row: Row, now: datetime) -> str:
        after = [name for name in row.needs if name in self.rows and self.rows[name].phase not in ENDED]
        if after:
            return f"after {', '.join(after[:_MOST_NEEDS])}" + (", ..." if len(after) > _MOST_NEEDS else "")
        if row.retry_at is not None and row.retry_at > now:
            return f"again in {duration((row.retry_at - now).total_seconds())}"
        return ""

    def asks_inside(self, event: Event) -> bool:
        """Whether a step waits because one in its capsule does, which was said."""
        name = path_below(self._top, event.key)
        return event.kind == "waiting" and any(one.startswith(f"{name}/") for one in self.rows)

    def _inside(self, name: str) -> Row:
        """A new row for a step inside a capsule, after those that belong to the same."""
        row, above = Row(name, ""), name.rpartition("/")[0]
        while above and above not in self.rows:
            above = above.rpartition("/")[0]
        names = list(self.rows)
        last = max((at for at, one in enumerate(names) if one == above or one.startswith(f"{above}/")), default=-1)
        rows = [*self.rows.items()]
        rows.insert(last + 1, (name, row))
        self.rows = dict(rows)
        return row


def lacking(held: Crowded) -> str:
    """What a step waits for, and who has it."""
    if not held.holders:
        return f"waits for {held.resource}: its rate is used up, {duration(held.left_s)} left"
    more = len(held.holders) - _MOST_HOLDERS
    others = f" and {more:,} more" if more > 0 else ""
    verb = "has" if len(held.holders) == 1 else "have"
    return f"waits for {held.resource}, which {', '.join(held.holders[:_MOST_HOLDERS])}{others} {verb}"


class Lines:
    """A line for each step that ends, waits for people or others, or is tried again."""

    def __init__(
        self, view: RunView, stream: TextIO, crowded: Callable[[], Mapping[str, Crowded]], *, named: bool = False
    ) -> None:
        self._rows = Rows(view)
        self._stream = stream
        self._start = time.monotonic()
        self._run = view.run
        self._width = max((len(step.id) for step in view.steps), default=0)
        self._named = named
        self._ask, self._said = crowded, set[tuple[str, str]]()
        self._look: asyncio.TimerHandle | None = None

    def __enter__(self) -> Lines:
        if not self._named:
            self._stream.write(f"{self._run.capsule} {self._run.id}\n")
            self._stream.flush()
        self._look_later()
        return self

    def __exit__(self, *_: object) -> None:
        if self._look is not None:
            self._look.cancel()
        self._stream.flush()

    def tell(self, event: Event) -> None:
        """Writes a line when a step has ended, waits, is tried again, or cannot begin."""
        row = self._rows.take(event)
        if row is not None:
            items = f"  {items_words(row.items_ended, row.items)}" if row.items is not None else ""
            self._line(row.id, row.phase, items + _note(row.note))
        elif event.kind in {"waiting", "retry"} and not self._rows.asks_inside(event):
            name = path_below(self._run.id, event.key)
            again = f"attempt {event.attempt} failed, another follows: " if event.kind == "retry" else ""
            self._line(name, event.phase, _note(again + event.message))
        elif event.kind == "trouble":
            name = path_below(self._run.id, event.key) if event.key.step else "the run"
            self._line(name, event.phase, _note(event.message))

    def _look_later(self) -> None:
        """Nothing happens when a step begins to wait for what others have, so that is looked for."""
        self._look = asyncio.get_running_loop().call_later(_LOOK_S, self._look_around)

    def _look_around(self) -> None:
        with suppress(EngineError):  # who works on the run meets it, too
            for row, held in self._rows.kept_waiting(datetime.now(UTC), self._ask()):
                if (row.id, held.resource) not in self._said:
                    self._said.add((row.id, held.resource))
                    self._line(row.id, row.phase, f"  {lacking(held)}")
        self._look_later()

    def _line(self, step: str, phase: Phase, rest: str) -> None:
        elapsed = duration(time.monotonic() - self._start)
        self._stream.write(f"{elapsed:>8}  {MARKS[phase][0]} {step:<{self._width}}  {phase}{rest}\n")
        self._stream.flush()


class Nothing:
    """Shows nothing."""

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, event: Event) -> None:
        """Takes what happened."""


class LiveTable:
    """A table that keeps itself up to date."""

    def __init__(self, view: RunView, crowded: Callable[[], Mapping[str, Crowded]]) -> None:
        self._rows = Rows(view)
        self._ask, self._asked_at = crowded, 0.0
        self._crowded: Mapping[str, Crowded] = {}
        self._name = f"{view.run.capsule}  {view.run.id}"
        self._start = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> LiveTable:
        from rich.live import Live  # noqa: PLC0415  40 ms, only for a terminal

        console = console_for(sys.stderr)
        # it goes when the run stops: the summary says the rest
        self._live = Live(get_renderable=self.picture, console=console, refresh_per_second=8, transient=True)
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.refresh()
            self._live.__exit__(kind, error, trace)

    def tell(self, event: Event) -> None:
        """Takes what happened; the table is drawn again by itself."""
        self._rows.take(event)

    def picture(self) -> Group:
        """A line for the run, and the steps; of very many, those that something happens to."""
        from rich.console import Group  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        rows, now = list(self._rows.rows.values()), datetime.now(UTC)
        ended = sum(row.phase in ENDED for row in rows)
        elapsed = duration(time.monotonic() - self._start)
        table = Table(box=None, show_header=False, pad_edge=False)
        shown = rows
        if len(rows) > _MOST_ROWS:
            active = [row for row in rows if row.phase in {"Running", "Waiting", "Failed"}]
            shown = active[:_MOST_ROWS]
        for row in shown:
            mark, color = MARKS[row.phase]
            table.add_row(
                Text(mark, style=color),
                Text(row.id, style="bold" if row.phase == "Running" else ""),
                Text(row.operator, style="dim"),
                Text(row.phase, style=color),
                Text(_details(row, self._waits_for(row, now))),
                Text(printable(row.note, 80), style="dim"),
            )
        if len(shown) < len(rows):
            table.add_row("", Text(f"and {len(rows) - len(shown):,} more steps", style="dim"))
        return Group(Text(f"{self._name}  {ended}/{len(rows)} steps  {elapsed}", style="bold"), table)

    def _waits_for(self, row: Row, now: datetime) -> str:
        if row.phase != "Pending":
            return ""
        if time.monotonic() - self._asked_at > _LOOK_S:
            self._crowded, self._asked_at = self._ask(), time.monotonic()
        return self._rows.waits_for(row, now, self._crowded)


def _needs(plan: Plan) -> dict[str, list[str]]:
    """What each step comes after; those of `finally` come after all others, one by one."""
    needs = {node.id: [edge.step for edge in node.needs] for node in plan.nodes}
    for node in plan.finals:
        needs[node.id] = [*needs]
    return needs


def _details(row: Row, waits: str) -> str:
    parts = [waits] if waits else []
    if row.items is not None:
        parts.append(items_words(row.items_ended, row.items))
    if row.attempt > 1:
        parts.append(f"attempt {row.attempt}")
    if row.started is not None:
        end = row.ended or datetime.now(row.started.tzinfo)
        parts.append(duration(max(0.0, (end - row.started).total_seconds())))
    return "  ".join(parts)


def _note(message: str) -> str:
    return f"  {printable(message)}" if message else ""
