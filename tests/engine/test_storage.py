"""A disk without room stops a run; nothing recorded is lost, and the message says how to go on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from somagent.capsule_compiler.plan import encode_plan


@pytest.fixture
def long_plan(make_plan, make_node, tmp_path) -> Path:
    """A chain of 200 steps whose results need some kilobytes each."""
    value = {"file": str(tmp_path / "marks"), "value": "x" * 8000}
    outputs = {"value": {"type": "string"}}
    nodes = [
        make_node(f"s{n}", *([f"s{n - 1}"] if n else []), operator="note", arguments=value, outputs=outputs)
        for n in range(200)
    ]
    path = tmp_path / "plan.json"
    path.write_bytes(encode_plan(make_plan(*nodes)))
    return path


def check(full: subprocess.CompletedProcess[str], resumed: subprocess.CompletedProcess[str], marks: Path) -> None:
    run = full.stdout.split()[0]
    assert full.returncode == 3
    assert full.stderr.startswith("StorageFull: cannot write")
    assert full.stderr.rstrip().endswith(f"make room, then go on with: somagent resume {run}")
    assert full.stderr.count("\n") == 1
    assert (resumed.returncode, resumed.stdout.split()) == (0, [run, "Succeeded"])
    lines = marks.read_text().splitlines()
    repeated = [line for line in lines if line.startswith("ended") and not line.endswith(" 1")]
    assert len([line for line in lines if line.startswith("ended")]) == 200 + len(repeated)
    assert len(repeated) <= 1  # the one whose result found no room


def test_a_file_that_may_not_grow_stops_the_run_which_goes_on_with_room(program, long_plan, tmp_path):
    full = program("work", tmp_path / "data", long_plan, "--file-limit", 3_000_000)
    run = full.stdout.split()[0]
    check(full, program("work", tmp_path / "data", long_plan, "--run", run), tmp_path / "marks")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of its own with room for 4 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root; the test with a limit on file sizes covers the rest")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here ({mounted.stderr.strip()}); the test with a limit covers the rest")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_stops_the_run_which_goes_on_with_room(program, long_plan, small_disk, tmp_path):
    full = program("work", small_disk / "data", long_plan)
    run = full.stdout.split()[0]
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    check(full, program("work", small_disk / "data", long_plan, "--run", run), tmp_path / "marks")


def test_a_directory_that_cannot_be_made_is_named(program, long_plan, tmp_path):
    (tmp_path / "file").touch()
    refused = program("work", tmp_path / "file" / "data", long_plan)
    assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)
    assert refused.stderr.startswith(f"EngineError: cannot write {tmp_path / 'file'}")
