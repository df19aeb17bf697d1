"""Where a workflow's pods run and what they reach; a setting of the cluster, never of a capsule."""

from __future__ import annotations

from msgspec import Struct


class Place(Struct, frozen=True, kw_only=True):
    """What all templates have in common."""

    image: str  # the step runner's; a script may name its own
    runs: str  # address of the object store, as pods reach it
    runs_secret: str = ""  # Secret whose entries are the store's credentials, as variables
    service_account: str = "somagent-step"  # of the pods of steps; it needs no rights in the cluster
    begin_account: str = "somagent-begin"  # of the first pod of runs that are submitted without us
    namespace: str = "default"
    memory: int = 128 << 20  # bytes that the runner asks for, without what scripts are given
    millicores: int = 50
    fuse: bool = True  # small steps that follow each other share a pod
