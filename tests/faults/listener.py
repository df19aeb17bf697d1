"""Listens to the steps of runs: each says when it begins, fails and ends, and waits until that is on the disk.

A step keeps its connection open while it is at work, so two attempts of one key at once are seen here. It says `fail`
to an attempt that is to fail, so that how often a step has failed is known to nobody but the judge.
"""

from __future__ import annotations

import json
import os
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Reads from the environment: JUDGE (host:port), INPUTS (what it was given, as JSON), SECONDS_AT_WORK.
SCRIPT = r"""
exec 3<> "/dev/tcp/${JUDGE%:*}/${JUDGE##*:}"
tell() { printf '{"what": "%s", "key": "%s", "attempt": %s, "host": "%s", "pid": %s%s}\n' \
    "$1" "$SOMAGENT_IDEMPOTENCY_KEY" "$SOMAGENT_ATTEMPT" "$HOSTNAME" $$ "$2" >&3; read -r -u 3 answer; }
tell begin ", \"inputs\": $INPUTS"
sleep "$SECONDS_AT_WORK"
if [ "$answer" = fail ]; then tell failed ""; exit 75; fi
value="$SOMAGENT_IDEMPOTENCY_KEY#$RANDOM$RANDOM$RANDOM"
echo "value=$value" >> "$SOMAGENT_OUTPUT"
tell end ", \"value\": \"$value\""
"""

Mark = dict[str, Any]


class Listener:
    """Keeps what steps say in a file, in the order in which it was said."""

    def __init__(self, path: Path, host: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._lock = threading.Lock()
        self.marks: list[Mark] = []
        self._failures: dict[str, int] = {}  # how often attempts of a key are to fail; -1: always
        self._at_work: dict[str, int] = {}
        self.when_ended: Callable[[Mark], None] = lambda mark: None
        self._server = socketserver.ThreadingTCPServer((host, 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def expect(self, failures: Mapping[str, int]) -> None:
        """How often the attempts of these keys are to fail."""
        self._failures.update(failures)

    def of(self, run: str) -> list[Mark]:
        """What the steps of a run have said, and of the capsules inside it."""
        with self._lock:
            return [mark for mark in self.marks if mark["key"].startswith((f"{run}/", f"{run}."))]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        os.close(self._file)

    def _write(self, mark: Mark) -> None:
        mark["at"] = time.time()
        os.write(self._file, (json.dumps(mark) + "\n").encode())
        os.fsync(self._file)
        self.marks.append(mark)

    def _hear(self, mark: Mark) -> str:
        key, answer = mark["key"], "go"
        with self._lock:
            if mark["what"] == "begin":
                if self._at_work.get(key):
                    self._write({**mark, "what": "clash"})
                self._at_work[key] = self._at_work.get(key, 0) + 1
                failed = sum(one["key"] == key and one["what"] == "failed" for one in self.marks)
                wanted = self._failures.get(key, 0)
                answer = "fail" if wanted < 0 or failed < wanted else "go"
            self._write(mark)
        if mark["what"] == "end":
            self.when_ended(mark)
        return answer

    def _gone(self, key: str) -> None:
        with self._lock:
            self._at_work[key] -= 1

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        listener = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                key = ""
                try:
                    while line := self.rfile.readline():
                        mark = json.loads(line)
                        answer = listener._hear(mark)
                        key = mark["key"]
                        self.wfile.write(f"{answer}\n".encode())
                except (OSError, json.JSONDecodeError):
                    pass  # its pod died in the middle
                finally:
                    if key:
                        listener._gone(key)

        return Handler
