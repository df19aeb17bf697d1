"""How an Airflow's tasks reach the step runner; a setting of that Airflow, never of a capsule."""

from __future__ import annotations

from msgspec import Struct


class Place(Struct, frozen=True, kw_only=True):
    """What all tasks have in common."""

    step_runner: tuple[str, ...] = ("somagent-step",)  # the command as workers start it, from SomaGent's environment
    runs: str  # address of the object store, as workers reach it; a folder that all of them see
    pool: str = "default_pool"
    max_active_tasks: int = 16  # of one run, at once
    most_mapped: int = 1_000  # tasks of one fan-out; Airflow takes core.max_map_length, by default 1,024
