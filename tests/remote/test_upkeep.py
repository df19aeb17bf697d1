"""Care of runs at a bucket: what is old goes, cut off anywhere too; what is broken is found; all else stays whole."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bucket_place import Place
from somagent_shell import Shell

from somagent.operators.runner.contents import Contents
from somagent.workflows.engines.clock import utc_now
from somagent.workflows.engines.objects import names
from somagent.workflows.engines.objects.bucket import Bucket
from somagent.workflows.engines.objects.engine import ObjectEngine
from somagent.workflows.engines.objects.ledger import ObjectLedger
from somagent.workflows.engines.objects.origin import BucketContents
from somagent.workflows.engines.objects.upkeep import Pruned, examine, prune

MAKES = """\
    make:
      script: { run: 'mkdir d && printf WORD > d/word && printf same > d/same && echo made' }
      outputs: { d: { type: artifact, path: d } }
    large:
      script: { run: 'printf "value=%070000d" 7 >> "$SOMAGENT_OUTPUT"' }
      outputs: { value: { type: string } }
"""
GATE = "    agree: { review: { title: 'Go on?', reviewers: { users: [bob] } } }\n"


class Site(Place):
    """A bucket in which runs are made, one after the other."""

    def made(self, word: str) -> str:
        """The id of a run that has ended."""
        self.run = f"r-{word}"
        self.submit(MAKES.replace("WORD", word))
        for words in (("step", "make"), ("step", "large"), ("end",)):
            assert self.do(*words)[0] == 0
        return self.run

    def later(self, hours: float = 0, bucket: Bucket | None = None) -> ObjectLedger:
        """The ledger for somebody whose time it is so much later."""
        bucket = bucket or self.bucket
        contents = Contents(self.folder / f"contents-{hours}-{id(bucket)}", origin=BucketContents(bucket))
        return ObjectLedger(bucket, contents, lambda: utc_now() + timedelta(hours=hours))

    def pruned(self, hours: float, *, keep: int = 0, older: float = 0, **options: Any) -> Pruned:
        ledger = self.later(hours, options.pop("bucket", None))
        return asyncio.run(prune(ledger, ledger.now() - timedelta(hours=older), keep, **options))

    def objects(self, folder: str = "") -> set[str]:
        found = [*asyncio.run(self.bucket.names("runs")), *asyncio.run(self.bucket.names("contents"))]
        found += asyncio.run(self.bucket.names("aside"))
        return {one for one in found if one.startswith(folder)}

    def found(self, **options: bool) -> list[tuple[str, str]]:
        """What is broken."""
        every = asyncio.run(examine(self.later(), **options))
        return [(one.about, one.said) for one in every if one.state == "broken"]

    def ids(self) -> list[str]:
        return [one.id for one in ObjectEngine(self.address, self.folder / "data", {}).runs(children=True)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_runs_that_are_old_go_and_all_that_others_stand_on_stays(site):
    old, new = site.made("old"), site.made("new")
    before = site.objects()
    assert site.pruned(0, older=1).runs == []
    assert site.pruned(2, keep=2).runs == []
    told = site.pruned(2, keep=1, dry_run=True)
    assert (told.runs, site.objects()) == ([old], before)
    done = site.pruned(2, keep=1)
    assert done == told
    assert (done.aside, site.ids(), site.found()) == (3, [new], [])  # the old run's plan, its folder and the word
    assert not site.objects(names.top_folder(old))
    kept = {one.removeprefix("aside/") for one in site.objects("aside/contents")}
    assert (len(kept), kept | site.objects("contents")) == (3, {one for one in before if one.startswith("contents")})


def test_content_goes_for_good_an_hour_after_no_run_stood_on_it(site):
    site.made("one")
    first = site.pruned(2)
    assert (first.aside, site.objects("contents")) == (len(site.objects("aside/contents")), set())
    soon = site.pruned(2.5)
    assert (soon.objects, len(site.objects("aside/contents"))) == (0, first.aside)
    assert site.pruned(4).objects == first.aside
    assert site.objects() == set()


def test_who_is_killed_while_it_removes_leaves_whole_runs_and_rests_that_the_next_one_removes(site):
    old, new = site.made("old"), site.made("new")
    whole = {old: _seen(site, old), new: _seen(site, new)}
    program = Path(__file__).with_name("dying_prune.py")
    deaths = 0
    while subprocess.run(
        [sys.executable, program, site.address, site.folder / "p", str(deaths + 1)], check=False
    ).returncode:
        deaths += 1
        assert {run: _seen(site, run) for run in site.ids()} in ({new: whole[new]}, whole)
        assert site.found() == []
    assert deaths > 4
    site.pruned(4, keep=1)
    assert (site.ids(), site.objects(names.top_folder(old)), site.objects("aside")) == ([new], set(), set())
    assert (_seen(site, new), site.found()) == (whole[new], [])


def _seen(site: Site, run: str) -> Any:
    """All of a run that people see of it, read with nothing at hand."""
    folder = site.folder / f"seen-{run}-{len(list(site.folder.iterdir()))}"
    engine = ObjectEngine(site.address, folder, {})
    view = engine.view(run)
    for artifact in engine.artifacts(run).values():
        engine.fetch(artifact, folder)
    files = {path.name: path.read_text() for path in (folder / "d").iterdir()}
    return view, [one.text for one in engine.logs(run)], files


def test_what_a_run_stands_on_again_meanwhile_is_found_and_put_back(site):
    site.made("one")
    stale = Contents(site.folder / "stale", origin=BucketContents(site.bucket))  # has copies of all that is needed
    for name in site.objects("contents"):
        stale.put_bytes(asyncio.run(site.bucket.read(name)) or b"")
    assert site.pruned(2).runs == ["r-one"]
    again = site.made("one")  # as a retry does that had read the run before: the same contents
    for name in site.objects("contents") & {one.removeprefix("aside/") for one in site.objects("aside/contents")}:
        asyncio.run(site.bucket.delete([name]))  # as if it had been looked for a moment before it was moved
    seen = _seen(site, again)
    assert site.found() == []
    assert site.pruned(4, older=9).runs == []
    assert (site.objects("aside"), site.found(), _seen(site, again)) == (set(), [], seen)


def test_content_that_is_here_as_a_copy_is_stored_at_every_bucket_all_the_same(site):
    one, other = Site(site.folder), Site(site.folder)
    for place in (one, other):
        contents = Contents(site.folder / "shared", origin=BucketContents(place.bucket))
        digest = contents.put_bytes(b"the same")
        assert asyncio.run(place.bucket.read(names.content(digest))) == b"the same"


def test_what_is_broken_is_found_and_named_and_what_is_whole_is_not(site):
    run = site.made("one")
    assert site.found() == site.found(whole=False) == []
    (folder,) = [one for one in site.objects("contents") if b"entries" in (_read(site, one) or b"")[:12]]
    large = next(one for one in site.objects("contents") if len(_read(site, one) or b"") > 70_000)
    steps = f"runs/{run}/{run}/steps"
    end, about = f"{steps}/make/end.1", f"run {run}"
    result = _read(site, end) or b""
    (other,) = [one for one in site.objects("contents") if _read(site, one) == b"same"]
    damages: list[tuple[str, bytes | None, list[tuple[str, str]], list[str]]] = [
        (end, b"{", [(about, "`steps/make/end.1` cannot be read")], []),
        (
            end,
            result.replace(b"r-one", b"r-two"),
            [(about, "`steps/make/end.1` is that of attempt 1 of r-two/make")],
            [],
        ),
        (f"{steps}/large/end.1", _read(site, f"{steps}/large/end.1"), [], []),
        (f"{steps}/make/begun.3", _read(site, f"{steps}/make/begun.1"), [(about, "is that of attempt 1")], []),
        (
            f"runs/{run}/{run}/deeds/1",
            _changed(site, run),
            [(about, "what people did is in doubt: entry 1: it was ch")],
            [],
        ),
        (f"runs/{run}/{run}/ended", b"", [(about, "`ended` cannot be read")], []),
        (large, None, [("content", f"{large} is missing (of {run})")], []),
        (other, b"sane", [("content", f"{other} is not what its digest says (of {run})")], ["whole"]),
        (folder, None, [("content", f"{folder} is missing (of {run})")], []),
    ]
    for name, content, expected, needs in damages:
        before = _read(site, name)
        asyncio.run(site.bucket.delete([name]) if content is None else site.bucket.overwrite(name, content))
        found = site.found()
        assert [one for one, _ in found[: len(expected)]] == [one for one, _ in expected], (name, found)
        assert all(words in found[number][1] for number, (_, words) in enumerate(expected)), (name, found)
        assert bool(site.found(whole=False)) == bool(expected and not needs)
        asyncio.run(site.bucket.delete([name]) if before is None else site.bucket.overwrite(name, before))
        assert site.found() == []


def _read(site: Site, name: str) -> bytes | None:
    return asyncio.run(site.bucket.read(name))


def _changed(site: Site, run: str) -> bytes:
    return (_read(site, names.deed(run, 1)) or b"").replace(b'"ada"', b'"eve"')


def test_commands_look_after_runs_at_a_bucket(site: Site, somagent: Shell) -> None:
    site.submit(GATE)
    waits = site.run
    assert site.do("step", "agree")[0] == 0
    old = site.made("old")
    there = {"SOMAGENT_ENGINE": "argo", "SOMAGENT_RUNS": site.address}
    there |= {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
    asked = somagent("runs", "--waiting", "--output", "json", **there).json
    assert [(one["run"], one["step"], one["title"], one["users"]) for one in asked] == [
        (waits, "agree", "Go on?", ["bob"])
    ]
    assert asked[0]["since"] >= site.ledger().now().isoformat()[:10]
    looked = somagent("doctor", **there)
    assert (looked.code, [line.partition(":")[0] for line in looked.out.splitlines()]) == (
        0,
        ["✓ identity", "✓ store", "✓ records", "✓ content"],
    )
    refused = somagent("backup", "copy", **there)
    assert (refused.code, "turn on the store's own versioning or replication" in refused.err) == (2, True)
    done = somagent("prune", "--older-than", "0s", **there)
    assert (done.code, done.out) == (0, f"{old}\n")
    assert done.err.startswith("gone: 1 run and ")
    assert done.err.endswith(
        "note: their Workflows stay in the cluster until Argo's own `ttlStrategy`, or you, remove them\n"
    )
    assert somagent("show", old, **there).code == 2
    assert [one["run"] for one in somagent("runs", "--waiting", "--output", "json", **there).json] == [waits]
    asyncio.run(site.bucket.overwrite(f"runs/{waits}/{waits}/steps/agree/end.1", b"{"))
    listed = somagent("runs", **there)
    assert (listed.code, "cannot be read" in listed.err, "`somagent doctor` says" in listed.err) == (2, True, True)
    broken = somagent("doctor", **there)
    assert (broken.code, f"✗ run {waits}: `steps/agree/end.1` cannot be read" in broken.out) == (1, True)


def test_a_copy_is_read_as_it_stands(site: Site, somagent: Shell) -> None:
    run = site.made("one")
    for name in (*sorted(site.objects("runs")), *sorted(site.objects("contents"))):
        path = somagent.folder / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_read(site, name) or b"")
    copy = ("--engine", "argo", "--runs", "copy")
    assert [one["id"] for one in somagent("runs", *copy, "--output", "json").json] == [run]
    assert somagent("doctor", *copy).code == 0
    assert "Succeeded" in somagent("show", run, *copy).out
