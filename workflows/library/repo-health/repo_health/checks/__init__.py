"""The checks, one a file, in the order of the report. Adding one: its module here, its id in the capsule's `forEach`.

A check is a function `Context -> Outcome`. It has no effect, knows no other check, and says `applies=False` when the
repository has nothing of its kind to judge, so that its weight does not count.
"""

from __future__ import annotations

from . import (
    activity,
    binaries,
    ci,
    dependencies,
    hotspots,
    licence,
    ownership,
    readme,
    risky_files,
    secrets,
    tests,
    workflows,
)
from .form import Check

REGISTRY: dict[str, Check] = {
    module.CHECK.id: module.CHECK
    for module in (
        secrets,
        risky_files,
        workflows,
        dependencies,
        tests,
        ci,
        licence,
        readme,
        ownership,
        binaries,
        hotspots,
        activity,
    )
}
