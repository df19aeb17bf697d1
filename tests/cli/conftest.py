"""A capsule that waits for people."""

from __future__ import annotations

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
