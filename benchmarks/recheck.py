"""How long an author waits for the mistakes of a large capsule after a keystroke.

`python benchmarks/recheck.py [--rounds 12]`. Characters are typed one after the other into expressions that lie evenly
over a capsule of `capsules.realistic`, so that most texts in between have a mistake. In process: CPU ms of the analysis
that the language server asks for, beside a fresh one of the same text, the baseline. Over stdio: `somagent lsp`
as editors start it, wall ms from a change of the whole text to the answer to `textDocument/diagnostic`, beside the same
for a capsule of 10 steps. Medians and the slowest.

Goals for 1,000 steps: 100 ms in process, 300 ms over stdio.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from capsules import realistic
from timing import ENVIRONMENT

from somagent.capsule_compiler.analysis import Analyst, analyse
from somagent.capsule_compiler.draft import FileBeside, Given
from somagent.capsule_compiler.language import prepare_language
from somagent.governance.constitution import default_constitution
from somagent.operators.registry import load_operators

TYPED = " + 10"
AFTER = ".total >= 0"  # an expression that every tenth step has


def nothing_beside(path: str) -> list[FileBeside]:
    """The folder of capsules that exist as text only."""
    raise FileNotFoundError(path)


def typing(text: str, places: int) -> Iterator[str]:
    """The text after each keystroke, at places that lie evenly over it."""
    for place in range(places):
        at = text.index(AFTER, len(text) * place // places) + len(AFTER)
        for index, char in enumerate(TYPED):
            text = text[: at + index] + char + text[at + index :]
            yield text


def in_process(size: int, places: int) -> tuple[list[float], list[float]]:
    """CPU ms of each analysis after the last one, and of a fresh one of the same text."""
    language, constitution = prepare_language(load_operators().catalogue), default_constitution()

    def given() -> Given:
        return Given(language, constitution, nothing_beside)

    analyst, text = Analyst(), realistic(size)
    analyst.analyse("bench.capsule.yaml", text.encode(), given())
    again, fresh = [], []
    for typed in typing(text, places):
        content = typed.encode()
        gc.collect()
        start = time.process_time()
        found = analyst.analyse("bench.capsule.yaml", content, given())
        middle = time.process_time()
        anew = analyse("bench.capsule.yaml", content, given())
        fresh.append((time.process_time() - middle) * 1000)
        again.append((middle - start) * 1000)
        if found.diagnostics != anew.diagnostics:
            raise SystemExit("the analysis after the last one says something else than a fresh one")
    return again, fresh


class Client:
    """An editor, as far as it is needed here: JSON-RPC over the pipes of a server process."""

    def __init__(self, folder: Path) -> None:
        somagent = Path(sys.executable).with_name("somagent")
        self._server = subprocess.Popen(
            [somagent, "lsp"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT
        )
        self._count = 0
        capabilities = {"textDocument": {"diagnostic": {}}}
        self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities})
        self.tell("initialized", {})

    def tell(self, method: str, params: dict[str, Any] | None, **more: int) -> None:
        """Sends a notification; with an id, a request."""
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        assert self._server.stdin is not None
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._server.stdin.flush()

    def ask(self, method: str, params: dict[str, Any] | None) -> Any:
        """Sends a request and waits for its answer; what else comes is passed over."""
        self._count += 1
        self.tell(method, params, id=self._count)
        while (message := self._receive()).get("id") != self._count:
            pass
        return message["result"]

    def _receive(self) -> dict[str, Any]:
        stdout, length = self._server.stdout, 0
        assert stdout is not None
        while header := stdout.readline().strip():
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        message: dict[str, Any] = json.loads(stdout.read(length))
        return message

    def cpu_ms(self) -> float:
        """The CPU time that the server has taken (Linux only)."""
        fields = Path(f"/proc/{self._server.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Ends the server as the protocol has it."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        self._server.wait(10)


def over_stdio(size: int, places: int) -> tuple[list[float], float]:
    """Wall ms from each change to the mistakes of the new text, and the server's CPU ms for each."""
    with tempfile.TemporaryDirectory() as folder:
        client = Client(Path(folder))
        uri, text = Path(folder, "bench.capsule.yaml").as_uri(), realistic(size)
        document = {"uri": uri, "languageId": "yaml", "version": 0, "text": text}
        client.tell("textDocument/didOpen", {"textDocument": document})
        client.ask("textDocument/diagnostic", {"textDocument": {"uri": uri}})
        times, before = [], client.cpu_ms()
        for version, typed in enumerate(typing(text, places), 1):
            start = time.perf_counter()
            changed = {"uri": uri, "version": version}
            client.tell("textDocument/didChange", {"textDocument": changed, "contentChanges": [{"text": typed}]})
            client.ask("textDocument/diagnostic", {"textDocument": {"uri": uri}})
            times.append((time.perf_counter() - start) * 1000)
        each = (client.cpu_ms() - before) / len(times)
        client.close()
    return times, each


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12, help="places where something is typed")
    rounds = parser.parse_args().rounds
    again, fresh = in_process(1000, rounds)
    large, cpu = over_stdio(1000, rounds)
    small, _ = over_stdio(10, 1)
    print(f"{'after a keystroke, 1,000 steps':<40}{'median ms':>10}{'slowest':>9}{'x baseline':>11}")
    for name, times, base in (
        ("in process, CPU: fresh (baseline)", fresh, fresh),
        ("in process, CPU: after the last one", again, fresh),
        ("over stdio, wall: 10 steps (baseline)", small, small),
        ("over stdio, wall: 1,000 steps", large, small),
    ):
        median = statistics.median(times)
        print(f"{name:<40}{median:>10.1f}{max(times):>9.1f}{median / statistics.median(base):>11.2f}")
    print(f"CPU of the server for each of these keystrokes: {cpu:.1f} ms on average")


if __name__ == "__main__":
    main()
