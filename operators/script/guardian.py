"""What a process started ends with it, also when it is killed: a child of it sees that, and ends what is left.

On one machine the next attempt of a step would find what is left; where another machine goes on with the step, nobody
would, and two would be at work on one key. A process that is killed cannot prevent that itself.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from somagent.operators.runner.folders import remove_tree
from somagent.operators.script.processes import Family

_DONE = b"."
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # meant for the process that is guarded


class Guardian:
    """Made before there are threads; scripts whose attempts have folders below `folder` are guarded."""

    def __init__(self, folder: Path) -> None:
        sees, self._life = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._life)
            _guard(sees, folder)
        os.close(sees)

    def dismiss(self) -> None:
        """Nothing is left to be guarded."""
        with suppress(BrokenPipeError):  # it was killed itself
            os.write(self._life, _DONE)
        os.close(self._life)
        os.waitpid(self._pid, 0)


def _guard(sees: int, folder: Path) -> NoReturn:
    """Waits for a word or for the end of whoever could say it."""
    try:
        os.setsid()
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # others wait until nobody holds these any more
            os.dup2(nowhere, stream)
        if not os.read(sees, 1):
            Family(None, None, folder).kill()
            with suppress(OSError):
                remove_tree(folder)
    finally:
        os._exit(0)
