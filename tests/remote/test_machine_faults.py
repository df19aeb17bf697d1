"""What fails beside a step, the disk, the store or the cluster's API, is no failure of the step, and is tried again."""

from __future__ import annotations

import asyncio
import resource
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from bucket_place import Place

from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.bucket import PATIENCE_S
from somagent.workflows.engines.protocol import EngineError, StoreUnreachable
from somagent.workflows.engines.remote.begin import asked
from somagent.workflows.engines.remote.exits import Exit

WRITES = (
    "echo at work; [ $SOMAGENT_ATTEMPT = 2 ] || { until test -e GO; do sleep 0.05; done; head -c 100000 /dev/zero; }"
)
USES = "  uses: { capsules: { part: ./part.capsule.yaml } }\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_step_that_cannot_log_for_want_of_room_is_tried_again(place: Place) -> None:
    go = place.folder / "go"
    each = f"each: {{ forEach: '${{{{ [1] }}}}', as: one, script: {{ run: '{WRITES.replace('GO', str(go))}' }} }}"
    place.submit("    part: { capsule: { use: part } }\n" + USES, part=f"  steps: {{ {each} }}\n")
    process = place.start("step", "part")
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (16_384, 16_384))  # of a file: the log is the only large one
    go.touch()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.count("\n")) == (Exit.UNREACHABLE, 1), said
    assert said.startswith("error: the machine failed: File too large for `")
    assert place.do("step", "part") == (Exit.DONE, "at work\n")
    (part,) = place.view().steps
    assert (part.phase, part.inner.steps[0].phase) == ("Succeeded", "Succeeded")


def test_a_step_goes_on_when_nobody_reads_any_more_what_it_prints(place: Place) -> None:
    go = place.folder / "go"
    place.submit(f"    a: {{ script: {{ run: 'echo begun; until test -e {go}; do sleep 0.05; done; echo done' }} }}\n")
    process = place.start("step", "a")
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "begun\n"
    process.stdout.close()
    go.touch()
    assert (process.wait(60), process.stderr.read()) == (Exit.DONE, "")
    process.stderr.close()
    assert place.logs() == ["begun\ndone\n"]


def test_content_that_is_not_what_it_was_is_said_in_a_line_and_ends_the_try_for_good(place: Place) -> None:
    place.submit("    a: { script: { run: echo } }\n")
    plan = names.content(place.view().run.plan_digest)
    asyncio.run(place.bucket.overwrite(plan, b"{}"))
    code, said = place.do("step", "a")
    assert (code, said.startswith("error: "), said.count("\n")) == (Exit.REFUSED, True, 1)


HANDED_ON = """\
    make: { script: { run: 'head -c 200000 /dev/urandom > f' }, outputs: { f: { type: artifact, path: f } } }
    use: { needs: [make], script: { run: 'wc -c < "$F"', env: { F: "${{ steps.make.f }}" } } }
"""


def test_a_step_whose_files_come_to_a_disk_that_takes_no_more_is_tried_again(place: Place) -> None:
    place.submit(HANDED_ON)
    assert place.do("step", "make") == (Exit.DONE, "")
    process = place.start("step", "use")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (16_384, 16_384))
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.count("\n")) == (Exit.UNREACHABLE, 1), said
    assert said.startswith("error: the machine failed: File too large for `")
    assert place.do("step", "use") == (Exit.DONE, "200000\n")


def test_a_step_whose_files_the_store_does_not_give_is_tried_again(tmp_path: Path) -> None:
    place = Place(tmp_path, f"file://{tmp_path}/bucket")
    place.submit(HANDED_ON)
    assert place.do("step", "make") == (Exit.DONE, "")
    digest = place.view().steps[0].outputs["f"]["artifact"]
    path = Path(place.address.removeprefix("file://"), names.content(digest))
    kept = path.rename(path.with_suffix(".kept"))
    path.symlink_to(path)  # which nobody can read
    process = place.start("step", "use")
    _, said = process.communicate(timeout=PATIENCE_S + 60)
    assert (process.returncode, f"{names.content(digest)} has not answered for" in said) == (Exit.UNREACHABLE, True)
    path.unlink()
    kept.rename(path)
    assert place.do("step", "use") == (Exit.DONE, "200000\n")


@contextmanager
def answering(code: int) -> Iterator[str]:
    """The address of a server that answers so."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(code)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("code", "kind"), [(403, EngineError), (404, EngineError), (429, StoreUnreachable), (503, StoreUnreachable)]
)
def test_a_cluster_that_cannot_answer_now_is_asked_again_and_one_that_refuses_is_not(
    code: int, kind: type[EngineError]
) -> None:
    with answering(code) as address, pytest.raises(EngineError) as told:
        asked(urllib.request.Request(address))
    assert type(told.value) is kind
