"""How an Airflow's tasks reach the step runner; a setting of that Airflow, never of a capsule."""

from __future__ import annotations

from msgspec import Struct


class Pods(Struct, frozen=True, kw_only=True):
    """A cluster that Airflow reaches by its Kubernetes connection."""

    image: str  # the step runner's
    runs_secret: str = ""  # Secret whose entries are the store's credentials, as variables
    namespace: str = ""  # empty: that of the connection
    memory: int = 128 << 20  # bytes that the runner asks for, without what scripts are given
    millicores: int = 50


class Place(Struct, frozen=True, kw_only=True):
    """What all tasks have in common."""

    step_runner: tuple[str, ...] = ("somagent-step",)  # the command as workers start it, from SomaGent's environment
    pods: Pods | None = None  # instead: each call of the step runner is a pod
    runs: str  # address of the object store, as workers or pods reach it; a folder that all workers see
    pool: str = "default_pool"
    max_active_tasks: int = 16  # of one run, at once
    most_mapped: int = 1_000  # tasks of one fan-out; fewer where core.max_map_length says so, by default 1,024
