"""What `somagent-step` begins with: it imports the program, cheaply, because a pod begins so for every step."""

from __future__ import annotations

import gc
from typing import NoReturn


def process() -> NoReturn:
    """The whole process. Nothing that is imported becomes garbage, so none is looked for meanwhile: 10 ms less."""
    gc.disable()
    from somagent.workflows.engines.remote import program  # noqa: PLC0415 - when nothing looks for garbage

    gc.freeze()
    gc.enable()
    program.process()


if __name__ == "__main__":
    process()
