"""The embedded engine: asyncio and one SQLite journal, durable without a server.

What a step does, how outputs are validated and when a failure is worth another try is decided by the step runner.
"""

from somagent.workflows.engines.clock import Clock
from somagent.workflows.engines.local.engine import LocalEngine

__all__ = ["Clock", "LocalEngine"]
