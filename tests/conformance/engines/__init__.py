"""The engines that the suite is run on, by the name of their column. An engine joins with one line here.

`$CONFORMANCE` names those of this time, as words; without it, the local one. The others need servers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from ..adapter import Provider


def _local() -> Provider:
    from .local import LocalProvider

    return LocalProvider()


def _argo() -> Provider:
    from .argo import ArgoProvider

    return ArgoProvider()


def _airflow() -> Provider:
    from .airflow import AirflowProvider

    return AirflowProvider()


ENGINES: Mapping[str, Callable[[], Provider]] = {"local": _local, "argo": _argo, "airflow": _airflow}
COLUMNS = tuple(os.environ.get("CONFORMANCE", "local").split())
