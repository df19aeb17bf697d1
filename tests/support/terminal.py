"""The `somagent` command in a terminal: what is on the screen, and what is typed."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from types import TracebackType

from somagent_shell import COMMAND, Shell

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A command at work in a terminal of its own; use it as a context manager."""

    def __init__(self, shell: Shell, *arguments: str, columns: int = 100) -> None:
        self._screen, inner = pty.openpty()
        self._process = subprocess.Popen(
            [str(COMMAND), *arguments],
            cwd=shell.folder,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=shell.environment(TERM="xterm", COLUMNS=str(columns)),
            start_new_session=True,
        )
        shell.started.append(self._process)
        os.close(inner)
        self.text = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._screen)

    def until(self, words: str) -> None:
        """Waits until these words are on the screen."""
        end = time.monotonic() + 20
        while words not in self.text:
            assert time.monotonic() < end, f"no {words!r} in 20 s, but:\n{self.text}"
            assert self._read(), f"ended without {words!r}:\n{self.text}"

    def type(self, text: str) -> None:
        """Types the text."""
        os.write(self._screen, text.encode())

    def ctrl_c(self) -> None:
        """What the terminal does to the command when Ctrl-C is pressed."""
        self._process.send_signal(signal.SIGINT)

    def ended(self) -> int:
        """The exit code, within 20 s."""
        while self._read():
            pass
        return self._process.wait(timeout=20)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._screen], [], [], 0.1)
        if not ready:
            return self._process.poll() is None
        try:
            read = os.read(self._screen, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += _ESCAPES.sub("", read.decode(errors="replace")).replace("\r\n", "\n")
        return bool(read)
