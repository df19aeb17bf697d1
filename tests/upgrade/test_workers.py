"""A worker of an older program that shares a database with a newer one: it writes nothing more, and its runs go on.

The older program is the last one before the tables in PostgreSQL got their second version, as it is in git's history.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from databases import address_for, server
from somagent_shell import COMMAND, Shell

from somagent.workflows.engines.local.postgres_schema import VERSION

ROOT = Path(__file__).parents[2]
SINCE = "workflows/engines/local/postgres_schema.py"
PROGRAM = "from somagent.cli.main import main; main()"
NAP = """\
  steps:
    nap:
      script: { run: 'echo "$SOMAGENT_ATTEMPT" >> "$M"; [ "$SOMAGENT_ATTEMPT" = 2 ] || sleep 60', env: { M: MARK } }
"""
GATE = "  steps:\n    ask: { review: { title: 'Go on?' } }\n    a: { needs: [ask], script: { run: 'true' } }\n"
Wait = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the older program."""
    folder = tmp_path_factory.mktemp("older")
    try:
        log = ["git", "log", "--diff-filter=A", "--format=%H^", "--", SINCE]
        commit = subprocess.run(log, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()[-1]
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    except (subprocess.CalledProcessError, FileNotFoundError, IndexError):
        pytest.skip("this takes the history of the repository: git fetch --unshallow")
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    """The address of tables of this test's own."""
    with server():
        yield address_for(tmp_path)


def test_an_older_worker_gives_its_runs_to_a_newer_program_and_ends(
    somagent: Shell, older: Path, store: str, wait_until: Wait
) -> None:
    mark = somagent.folder / "mark"
    there = {**somagent.environment(), "SOMAGENT_STORE": store}
    old = {**there, "PYTHONPATH": str(older)}

    def by_old(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM, *arguments]
        return subprocess.run(command, cwd=somagent.folder, env=old, capture_output=True, text=True, check=False)

    def said(name: str) -> str:
        return (somagent.folder / f"{name}.log").read_text()

    def serve(name: str, command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        with (somagent.folder / f"{name}.log").open("w") as log:
            serving = [*command, "serve", "--engine", "--lease", "1s"]
            return subprocess.Popen(serving, cwd=somagent.folder, stderr=log, env=environment, text=True)

    gate = somagent.capsule("gate", GATE)
    parked = by_old("run", gate, "--output", "json")
    assert parked.returncode == 3, parked.stderr
    before = serve("before", [sys.executable, "-c", PROGRAM], old)
    try:
        wait_until(lambda: "works in" in said("before"))
        nap = somagent.capsule("nap", NAP.replace("MARK", str(mark)))
        assert by_old("run", nap, "--detach").returncode == 0
        wait_until(mark.exists)

        shown = somagent("runs", "--output", "json", SOMAGENT_STORE=store)  # which changes the tables
        assert [run["capsule"] for run in shown.json] == ["nap", "gate"]
        assert before.wait(20) == 2
        assert f"was written by a newer SomaGent (version {VERSION}, this one knows 3)" in said("before")
        refused = by_old("cancel", "last")
        assert (refused.returncode, "was written by a newer SomaGent" in refused.stderr) == (2, True)

        after = serve("after", [str(COMMAND)], there)
        try:
            wait_until(lambda: f"{shown.json[0]['id']} Succeeded" in said("after"))
            approved = somagent("approve", shown.json[1]["id"], "ask", "--as", "bo", SOMAGENT_STORE=store)
            assert approved.code == 0
            wait_until(lambda: f"{shown.json[1]['id']} Succeeded" in said("after"))
        finally:
            after.kill()
            after.wait()
    finally:
        before.kill()
        before.wait()
    assert mark.read_text() == "1\n2\n"
    assert somagent("audit", "verify", SOMAGENT_STORE=store).code == 0
