"""Who cannot reach the store cannot say that somebody is at work: it stops its work before others begin with it.

The bucket is a folder that is moved away from some of those who work at it, and has another address from then on.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bucket_place import Place
from surroundings import surrounded_by

from somagent.capsule_compiler.plan import Plan
from somagent.operators.runner.contents import Contents
from somagent.operators.runner.records import StepKey
from somagent.operators.script.beside import LAUNCHER, VARIABLE
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.origin import BucketContents
from somagent.workflows.engines.remote.exits import Exit

ALONE = 'exec 9> LOCK; if flock -n 9; then echo "alone $SOMAGENT_ATTEMPT"; else echo two are at work; fi'
USES = "  uses: { capsules: { part: ./part.capsule.yaml } }\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, f"file://{tmp_path}/bucket")


class View:
    """Another address of the bucket, from which contents can be taken away while all else can be reached."""

    def __init__(self, place: Place) -> None:
        self._bucket, folder = Path(place.address.removeprefix("file://")), place.folder / "view"
        folder.mkdir()
        (folder / "runs").symlink_to(self._bucket / "runs")
        self.address, self._contents = f"file://{folder}", folder / "contents"
        self.give()

    def take(self) -> None:
        self._contents.unlink()
        self._contents.write_text("")

    def give(self) -> None:
        self._contents.unlink(missing_ok=True)
        self._contents.symlink_to(self._bucket / "contents")


@pytest.fixture
def view(place: Place) -> View:
    """Of a run whose step `part` has a script at work while capsules beside it begin."""
    place.submit(
        "    part: { capsule: { use: part } }\n" + USES,
        part=f"""\
  uses: {{ capsules: {{ leaf: ./leaf.capsule.yaml }} }}
  steps:
    slow: {{ script: {{ run: '{ALONE.replace("LOCK", f"{place.folder}/lock")}; {until(place, "may-end")}' }} }}
    first: {{ script: {{ run: '{until(place, "may-begin")}' }} }}
    leaves:
      needs: [first]
      forEach: "${{{{ [1, 2, 3, 4, 5, 6, 7, 8] }}}}"
      as: one
      capsule: {{ use: leaf, with: {{ one: "${{{{ one }}}}" }} }}
""",
        leaf="  inputs: { one: { type: integer } }\n  steps: { clean: { script: { run: echo cleaned } } }\n",
    )
    return View(place)


def until(place: Place, name: str) -> str:
    return f"until [ -e {place.folder}/{name} ]; do sleep 0.05; done"


def begun(place: Place, view: View) -> subprocess.Popen[str]:
    """A process whose script is at work, while capsules beside it wait for the store to take their plan."""
    process = place.start("step", "part", address=view.address)
    assert process.stdout is not None
    assert process.stdout.readline() == "alone 1\n"
    view.take()
    (place.folder / "may-begin").touch()
    return process


@contextmanager
def out_of_reach(place: Place) -> Iterator[str]:
    """Where the bucket is meanwhile; at its own address nothing can be read or stored."""
    folder = Path(place.address.removeprefix("file://"))
    away = folder.with_name("away")
    folder.rename(away)
    folder.write_text("")
    yield f"file://{away}"
    folder.unlink()
    away.rename(folder)


def waits(place: Place) -> str:
    """A script that tells whether it is the only one, and lasts when it is the first attempt."""
    return ALONE.replace("LOCK", str(place.folder / "lock")) + "; [ $SOMAGENT_ATTEMPT = 2 ] || sleep 60"


@pytest.mark.parametrize("words", [("group", "slow"), ("step", "part")], ids=" ".join)
def test_who_cannot_sign_has_stopped_its_script_before_another_one_begins(place: Place, words: tuple[str, str]) -> None:
    slow = f"slow: {{ script: {{ run: '{waits(place)}' }} }}"
    inside = words[1] == "part"
    steps = "    part: { capsule: { use: part } }\n" + USES if inside else f"    {slow}\n"
    place.submit(steps, part=f"  steps: {{ {slow} }}\n")
    first = place.start(*words)
    assert first.stdout is not None
    assert first.stdout.readline() == "alone 1\n"
    with out_of_reach(place) as elsewhere:
        second = place.start(*words, address=elsewhere)
        said, _ = second.communicate(timeout=60)
    assert (second.returncode, said) == (Exit.DONE, "alone 2\n")
    said, _ = first.communicate(timeout=60)
    assert (first.returncode, said) == (Exit.DONE, "")  # it was away for so short a time that it finds the result
    (step,) = place.view().steps
    tried = step.inner.steps[0] if inside and step.inner is not None else step
    assert (tried.phase, tried.attempts) == ("Succeeded", 2)


def test_a_holder_that_finds_the_store_again_goes_on_with_another_attempt(place: Place) -> None:
    place.submit(f"    slow: {{ script: {{ run: '{waits(place)}' }} }}\n")
    process = place.start("step", "slow")
    assert process.stdout is not None
    assert process.stdout.readline() == "alone 1\n"
    with out_of_reach(place):
        time.sleep(2)  # twice the length of the lease
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (Exit.DONE, "alone 2\n")
    first, _ = place.view().steps[0].history
    assert first.failure is not None
    assert first.failure.message == "the store could not be told that somebody was at work on it"


def test_a_script_in_a_container_beside_gets_another_pod_when_no_sign_came_through(place: Place) -> None:
    world = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*world, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs user namespaces: sysctl kernel.unprivileged_userns_clone=1")
    place.submit(f"    slow: {{ script: {{ image: any, run: '{waits(place)}' }} }}\n")

    def pod(number: int) -> tuple[subprocess.Popen[bytes], subprocess.Popen[str]]:
        pipes = place.folder / f"pipes-{number}"
        launcher = ["/bin/sh", "-c", '/bin/sh -c "$1"; exit $?', "sh", LAUNCHER.replace("FOLDER", str(pipes))]
        with surrounded_by(**{VARIABLE: str(pipes)}):
            return subprocess.Popen([*world, *launcher], stdin=subprocess.DEVNULL), place.start("step", "slow")

    beside, process = pod(1)
    with beside:
        assert process.stdout is not None
        assert process.stdout.readline() == "alone 1\n"
        with out_of_reach(place):
            time.sleep(2)  # twice the length of the lease
        said, _ = process.communicate(timeout=60)
        beside.kill()
    assert (process.returncode, said) == (Exit.UNREACHABLE, "")
    beside, process = pod(2)
    with beside:
        said, _ = process.communicate(timeout=60)
        beside.kill()
    assert (process.returncode, said) == (Exit.DONE, "alone 2\n")
    assert [one.phase for one in place.view().steps[0].history] == ["Failed", "Succeeded"]


def test_who_waits_for_the_store_to_take_contents_signs_on_and_what_is_at_work_beside_ends(
    place: Place, view: View
) -> None:
    first = begun(place, view)
    second = place.start("step", "part")
    time.sleep(2.5)  # more than twice the length of the lease
    (place.folder / "may-end").touch()
    slow = StepKey(f"{place.run}.part", "slow")
    deadline = time.monotonic() + 10
    while asyncio.run(place.ledger().result(slow)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    view.give()
    said, _ = first.communicate(timeout=60)
    told, _ = second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (Exit.DONE, Exit.DONE)
    assert "two are at work" not in said + told
    inside = place.view().steps[0].inner
    assert inside is not None
    assert {step.phase for step in inside.steps} == {"Succeeded"}
    assert inside.steps[0].attempts == 1


def test_who_waits_for_the_store_ends_at_once_when_it_is_told_to(place: Place, view: View) -> None:
    process = begun(place, view)
    time.sleep(1)
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == Exit.STOPPED


def test_who_reads_a_plan_that_the_store_does_not_give_can_be_stopped(place: Place, view: View) -> None:
    plan = asyncio.run(place.ledger().plan(place.run))
    view.take()
    contents = Contents(place.folder / "none", origin=BucketContents(Bucket(view.address)))
    ledger = ObjectLedger(place.bucket, contents, utc_now)

    async def read() -> Plan:
        async with asyncio.timeout(0.5):
            return await ledger.plan(place.run)

    with pytest.raises(TimeoutError):
        asyncio.run(read())
    view.give()
    assert asyncio.run(read()) == plan
    view.take()
    shutil.rmtree(place.folder / "none")
    assert asyncio.run(read()) == plan  # which was not read again
