"""Room for attempts: an engine has only so much, and a run with much to do must not starve the others."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from somagent.capsule_compiler.plan import Node, Plan

_BURST_S = 6.0  # so much of a rate may be used at once after a rest


class Limit(Struct, frozen=True):
    """How much attempts may have of a resource, such as `operators.slm` or `tools.acme/notify`; 0 is no limit."""

    at_once: int = 0  # attempts
    per_minute: int = 0  # attempts that begin
    tokens_per_minute: int = 0


class Limits(Struct, frozen=True):
    """What a process that works keeps to."""

    resources: Mapping[str, Limit] = {}
    runs: Mapping[str, int] = {}  # by capsule: how many a worker has at work at once


NO_LIMITS = Limits()


class Slots:
    """How many attempts may be at work at once, over all runs of an engine; runs get them in turn.

    Beside a place an attempt takes one of each limited resource that it uses.
    """

    def __init__(
        self,
        places: int,
        limits: Limits = NO_LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.places = places
        self.free = places
        self.runs: deque[Callable[[], None]] = deque()  # each starts what it can while there are places
        self._resources = {name: _Resource(limit, monotonic) for name, limit in limits.resources.items()}

    @property
    def at_work(self) -> int:
        """Attempts that have a place now."""
        return self.places - self.free

    def close(self) -> None:
        """Gives no places any more; those that are given stay until they are given back."""
        self.free -= self.places
        self.places = 0

    def share(self) -> None:
        """Lets every run start what it can while there are places, beginning with another one each time."""
        if self.free <= 0:
            return
        self.runs.rotate(-1)
        for before, fill in enumerate(tuple(self.runs)):
            fill()
            if self.free <= 0:
                self.runs.rotate(-before)  # those after it are asked first when there is a place again
                return

    def limited(self, plan: Plan, node: Node) -> tuple[str, ...]:
        """The limited resources that an attempt at this step uses."""
        return tuple(name for name in resources_of(plan, node) if name in self._resources)

    def take(self, resources: Sequence[str]) -> bool:
        """Takes one of each, if all of them have room."""
        held = [self._resources[name] for name in resources]
        if not all(one.has_room() for one in held):
            return False
        for one in held:
            one.begin()
        return True

    def give_back(self, resources: Iterable[str]) -> None:
        """An attempt has ended."""
        for name in resources:
            self._resources[name].at_work -= 1

    def spend(self, resources: Iterable[str], tokens: int) -> None:
        """An attempt has spent tokens; nothing else begins until the rate has made up for them."""
        for name in resources:
            self._resources[name].tokens.take(tokens)

    def wait_s(self, resources: Iterable[str]) -> float:
        """Seconds until their rates let another attempt begin; 0 when only the end of another one helps."""
        return max((self._resources[name].wait_s() for name in resources), default=0.0)


class _Resource:
    def __init__(self, limit: Limit, monotonic: Callable[[], float]) -> None:
        self._at_once = limit.at_once
        self.at_work = 0
        self._attempts = _Bucket(limit.per_minute, monotonic)
        self.tokens = _Bucket(limit.tokens_per_minute, monotonic)

    def has_room(self) -> bool:
        return not (self._at_once and self.at_work >= self._at_once) and self.wait_s() == 0

    def begin(self) -> None:
        self.at_work += 1
        self._attempts.take(1)

    def wait_s(self) -> float:
        return max(self._attempts.wait_s(1), self.tokens.wait_s(0))


class _Bucket:
    """A token bucket that may be overdrawn: what an attempt spends is known only when it has ended."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._per_s, self._now = per_minute / 60, monotonic
        self._most = max(1.0, self._per_s * _BURST_S)
        self._level, self._at = self._most, monotonic()

    def take(self, amount: int) -> None:
        self._refill()
        self._level -= amount

    def wait_s(self, amount: int) -> float:
        """Seconds until there is so much in it, and more than nothing."""
        if not self._per_s:
            return 0.0
        self._refill()
        lacking = amount - self._level
        return lacking / self._per_s if lacking > 0 else 0.0

    def _refill(self) -> None:
        now = self._now()
        self._level = min(self._most, self._level + (now - self._at) * self._per_s)
        self._at = now


def resources_of(plan: Plan, node: Node) -> list[str]:
    """All resources that a step uses, limited or not; one that is a capsule uses what its own steps use."""
    if node.capsule:
        return []
    found = [f"capsules.{plan.capsule.name}", f"operators.{node.operator}"]
    arguments = node.arguments.value if isinstance(node.arguments.value, dict) else {}
    if (tool := plan.tools.get(str(arguments.get("use")))) is not None:
        found.append(f"tools.{tool.name}")
    if (persona := plan.personas.get(str(arguments.get("persona")))) is not None:
        found.append(f"personas.{persona.name}")
    return found
