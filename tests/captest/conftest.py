"""A way to write tests of a capsule, and to run them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from captests import HEAD, TRIAGE
from somagent_shell import Ended, Shell

RunTests = Callable[..., Ended]


@pytest.fixture
def run_tests(somagent: Shell) -> RunTests:
    """Writes cases (indented by four) as a file of tests of the capsule, and runs `somagent test` with arguments."""
    somagent.capsule("triage", TRIAGE.replace("HERE", str(somagent.folder)))

    def run(cases: str, *arguments: str) -> Ended:
        somagent.write("tests/triage.yaml", HEAD + cases)
        return somagent("test", *arguments)

    return run
