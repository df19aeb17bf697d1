"""The passes, in the order they run; each is a pure function `Draft -> Draft` in a module of its own.

A pass reports every mistake it can see and goes on with what is sound, so that an author sees all of them at once.
"""

from collections.abc import Callable, Sequence

from somagent.capsule_compiler.draft import Draft
from somagent.capsule_compiler.passes.check_costs import check_costs
from somagent.capsule_compiler.passes.check_cycles import check_cycles
from somagent.capsule_compiler.passes.check_fan_outs import check_fan_outs
from somagent.capsule_compiler.passes.check_guards import check_guards
from somagent.capsule_compiler.passes.check_names import check_names
from somagent.capsule_compiler.passes.check_optional import check_optional
from somagent.capsule_compiler.passes.check_scripts import check_scripts
from somagent.capsule_compiler.passes.check_secrets import check_secrets
from somagent.capsule_compiler.passes.check_shape import check_shape
from somagent.capsule_compiler.passes.check_types import check_types
from somagent.capsule_compiler.passes.digest import digest
from somagent.capsule_compiler.passes.infer_edges import infer_edges
from somagent.capsule_compiler.passes.parse import parse

Pass = Callable[[Draft], Draft]
CHECKS: Sequence[Pass] = (
    parse,
    check_shape,
    check_names,
    check_scripts,
    check_secrets,
    check_types,
    check_costs,
    check_fan_outs,
    infer_edges,
    check_cycles,
    check_guards,
    check_optional,
)
"""All that can find a mistake."""

PASSES: Sequence[Pass] = (*CHECKS, digest)

__all__ = ["CHECKS", "PASSES", "Pass"]
