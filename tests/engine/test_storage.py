"""A disk without room stops a run; nothing recorded is lost, and the message says how to go on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from somagent.capsule_compiler.plan import Edge, Hole, Template, decode_plan, encode_plan, plan_digest
from somagent.workflows.engines.local import LocalEngine


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


def test_a_run_inside_another_that_finds_no_room_stops_the_whole(program, long_plan, make_plan, make_node, tmp_path):
    inside = decode_plan(long_plan.read_bytes())
    digest = plan_digest(inside)
    middle = make_plan(make_node("down", operator="capsule", capsule=digest, arguments={"use": "down"}))
    whole = make_plan(
        make_node("scan", operator="capsule", capsule=plan_digest(middle), arguments={"use": "scan"}),
        capsules={digest: inside, plan_digest(middle): middle},
    )
    long_plan.write_bytes(encode_plan(whole))
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


def test_a_full_disk_stops_the_run_which_goes_on_with_room(program, long_plan, small_disk, tmp_path, somagent):
    full = program("work", small_disk / "data", long_plan)
    run = full.stdout.split()[0]
    shown = somagent("show", run, "--data-dir", str(small_disk / "data")).out
    assert "its process ended without a word: it was killed, or could not write any more" in shown
    assert f"the disk of {small_disk / 'data'} has only 0 MiB free: make room first" in shown
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    check(full, program("work", small_disk / "data", long_plan, "--run", run), tmp_path / "marks")


def test_a_directory_that_cannot_be_made_is_named(program, long_plan, tmp_path):
    (tmp_path / "file").touch()
    refused = program("work", tmp_path / "file" / "data", long_plan)
    assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)
    assert refused.stderr.startswith(f"EngineError: cannot write {tmp_path / 'file'}")


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "full").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_disk_that_takes_no_new_file_is_called_full(program, long_plan, small_disk):
    """SQLite only says that it cannot open the file; nobody may be sent to look at permissions."""
    (small_disk / "data").mkdir()
    (small_disk / "data" / ".gitignore").write_text("*\n")
    subprocess.run(["mount", "-o", "remount,nr_inodes=3", str(small_disk)], check=True)
    refused = program("work", small_disk / "data", long_plan)
    assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)
    assert refused.stderr.startswith(
        f"StorageFull: cannot open {small_disk / 'data' / 'journal.sqlite3'}: the disk is full"
    )


def test_runs_are_read_from_a_full_disk(program, long_plan, small_disk, make_plan, make_node):
    long_plan.write_bytes(encode_plan(make_plan(make_node("a"))))
    done = program("work", small_disk / "data", long_plan)
    fill(small_disk)
    engine = LocalEngine(small_disk / "data", {})
    assert [(run.id, run.phase) for run in engine.runs()] == [(done.stdout.split()[0], "Succeeded")]
    assert engine.view(engine.runs()[0].id).steps[0].phase == "Succeeded"


def test_a_step_that_fills_the_disk_with_its_own_files_fails_alone(program, small_disk, make_plan, make_node, tmp_path):
    text = "dd if=/dev/zero of=big bs=4096 2>/dev/null || true; for n in {1..3000}; do echo line $n; done"
    hungry = make_node(
        "hungry", "other", operator="script", arguments={"run": text}
    )  # a record at that moment finds no room
    (tmp_path / "plan.json").write_bytes(encode_plan(make_plan(make_node("other"), hungry)))
    ended = program("work", small_disk / "data", tmp_path / "plan.json")
    assert (ended.returncode, ended.stdout.split()[1:], ended.stderr) == (0, ["Failed"], "")
    run = ended.stdout.split()[0]
    other, hungry_view = LocalEngine(small_disk / "data", {}).view(run).steps
    assert (hungry_view.failure.failure_class, other.phase) == ("error", "Succeeded")
    assert hungry_view.failure.message == (
        f"it filled the disk: No space left on device for `{small_disk}/data/logs/{run}/hungry.1.log`; "
        "there is room again without its own files"
    )


def test_a_disk_that_stays_full_stops_the_run_and_names_the_file(program, small_disk, make_plan, make_node, tmp_path):
    text = (
        f"dd if=/dev/zero of={small_disk}/elsewhere bs=4096 2>/dev/null || true; for n in {{1..3000}}; do echo $n; done"
    )
    hungry = make_node("hungry", operator="script", arguments={"run": text})
    (tmp_path / "plan.json").write_bytes(encode_plan(make_plan(hungry)))
    stopped = program("work", small_disk / "data", tmp_path / "plan.json")
    run = stopped.stdout.split()[0]
    assert stopped.returncode == 3
    assert stopped.stderr.startswith(
        f"StorageFull: cannot write {small_disk}/data/logs/{run}/hungry.1.log: No space left"
    )


def test_copies_of_artifacts_are_gone_when_no_run_is_at_work(run_plan, make_plan, make_node, tmp_path):
    outputs = {"f": {"type": "artifact", "path": "f"}}
    make = make_node("make", operator="script", arguments={"run": "mkdir f; echo 1 > f/one"}, outputs=outputs)
    need = [Edge(step="make", kind="data")]
    read = replace(
        make_node("read", operator="script"),
        needs=need,
        arguments=Template(
            value={"run": 'test "$(cat "$F/one")" = 1', "env": {"F": None}},
            holes=[Hole(at=["env", "F"], cel="steps.make.f")],
        ),
    )
    view = run_plan(make_plan(make, read))
    assert view.phase == "Succeeded"
    assert sorted(path.name for path in (tmp_path / "data" / "contents").iterdir()) == ["incoming", "objects"]
    assert list((tmp_path / "data" / "work").iterdir()) == []
