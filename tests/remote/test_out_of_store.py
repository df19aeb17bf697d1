"""Who cannot reach the store cannot say that somebody is at work: it stops its work before others begin with it.

The bucket is a folder that is moved away from some of those who work at it, and has another address from then on.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bucket_place import Place
from surroundings import surrounded_by

from somagent.operators.script.beside import LAUNCHER, VARIABLE
from somagent.workflows.engines.remote.exits import Exit

ALONE = 'exec 9> LOCK; if flock -n 9; then echo "alone $SOMAGENT_ATTEMPT"; else echo two are at work; fi'
USES = "  uses: { capsules: { part: ./part.capsule.yaml } }\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, f"file://{tmp_path}/bucket")


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
