"""The log of an attempt in a pod or task: kept as everywhere, and seen in what the process prints as it is written."""

from __future__ import annotations

import sys

from somagent.operators.runner.log import StepLog


class EchoedLog(StepLog):
    """Writes to standard output as well, where `kubectl logs` and the engine's own pages show it."""

    def write(self, content: bytes) -> None:
        super().write(content)
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
