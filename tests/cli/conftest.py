"""A capsule that waits for people, and a way to wait for what happens in another process."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from somagent_shell import Shell


@pytest.fixture
def gated(somagent: Shell) -> str:
    """A capsule that waits for people in the middle."""
    return somagent.capsule(
        "gated",
        """\
  steps:
    before: { script: { run: echo before } }
    ask:
      needs: [before]
      review: { title: 'Go on?', show: ["'forty-two'"] }
    after:
      needs: [ask]
      script: { run: 'echo "answer=42" >> "$SOMAGENT_OUTPUT"' }
      outputs: { answer: { type: integer } }
  outputs: { answer: "${{ steps.after.answer }}" }
""",
    )


Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture
def wait_until() -> Wait:
    """Waits up to 20 s for something to become true."""

    def wait(happened: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < end, "it did not happen within 20 s"
            time.sleep(0.02)

    return wait
