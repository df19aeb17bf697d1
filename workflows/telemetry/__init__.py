"""What runs tell to the outside: OpenTelemetry traces, metrics and logs, and lines of JSON, for those who ask for them.

It reads the engine's events and its journal; the engine knows nothing of it but whom to tell. Everything happens in a
thread of its own behind a bounded queue: a collector that is slow or away costs a run nothing. Nothing of this is
imported, and nothing is sent anywhere, unless variables of the environment ask for it (`wanted`). Not here: the report
and the live view, which are made of the same records.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from somagent.operators.runner.trace_context import Signal, is_wanted

if TYPE_CHECKING:
    from somagent.workflows.engines.local.store import Store
    from somagent.workflows.telemetry.observing import Telemetry

SIGNALS: tuple[Signal, ...] = ("traces", "metrics", "logs")


def logs_as_json(env: Mapping[str, str] = os.environ) -> bool:
    """Whether what happens is to be written to standard error, as lines of JSON."""
    return env.get("SOMAGENT_LOG", "").strip().lower() == "json"


def observer_of(store: Store, env: Mapping[str, str] = os.environ) -> Telemetry | None:
    """Who tells of the runs in this store; None when nobody asked for it."""
    signals = tuple(signal for signal in SIGNALS if is_wanted(signal, env))
    if not signals and not logs_as_json(env):
        return None
    from somagent.workflows.telemetry.observing import Telemetry  # noqa: PLC0415  for those who ask for it

    return Telemetry(store, signals, env)
