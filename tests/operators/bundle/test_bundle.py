"""A bundle holds the artifacts and a manifest of their digests; its bytes depend on nothing else."""

import hashlib
import json
import os
import stat
import subprocess
import zipfile
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from somagent.capsule_compiler.plan import digest_of
from somagent.operators.bundle import BundleArgs
from somagent.operators.bundle.archive import FOLDER_MODE, LINK_MODE, Member, file_mode, write_archive
from somagent.operators.operator import StepFailure


@pytest.fixture
def artifacts(contents, tmp_path):
    """A folder with a program and a link, and a file."""
    tree = tmp_path / "site"
    (tree / "bin").mkdir(parents=True)
    (tree / "empty").mkdir()
    (tree / "bin" / "serve").write_text("#!/bin/sh\necho served\n")
    (tree / "bin" / "serve").chmod(0o755)
    (tree / "latest").symlink_to("bin/serve")
    (tree / "é.txt").write_text("é")
    report = tmp_path / "report.html"
    report.write_text("<p>fine")
    return contents.put_path(tree, "site"), contents.put_path(report, "report.html")


def test_the_same_inputs_give_the_same_bytes_whatever_their_order(bundle, artifacts):
    first = bundle(*artifacts).read_bytes()
    assert bundle(*reversed(artifacts)).read_bytes() == first
    assert bundle(*artifacts, artifacts[0]).read_bytes() == first
    assert bundle(*artifacts, run="r2").read_bytes() != first


def test_names_are_sorted_and_times_and_permissions_fixed(bundle, artifacts):
    path = bundle(*artifacts)
    assert path.name == "handover.zip"
    with zipfile.ZipFile(path) as archive:
        found = [(info.filename, info.date_time, oct(info.external_attr >> 16)) for info in archive.infolist()]
        assert archive.testzip() is None
    time = (1980, 1, 1, 0, 0, 0)
    assert found == [
        ("manifest.json", time, oct(stat.S_IFREG | 0o644)),
        ("report.html", time, oct(stat.S_IFREG | 0o644)),
        ("site/bin/serve", time, oct(stat.S_IFREG | 0o755)),
        ("site/empty/", time, oct(stat.S_IFDIR | 0o755)),
        ("site/latest", time, oct(stat.S_IFLNK | 0o777)),
        ("site/é.txt", time, oct(stat.S_IFREG | 0o644)),
    ]


def test_the_manifest_names_run_capsule_plan_constitution_and_every_digest(bundle, artifacts):
    with zipfile.ZipFile(bundle(*artifacts)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        for file in manifest["files"]:
            content = archive.read(file["path"])
            assert (file["size"], file["digest"]) == (len(content), "sha256:" + hashlib.sha256(content).hexdigest())
    assert [file["path"] for file in manifest.pop("files")] == ["report.html", "site/bin/serve", "site/é.txt"]
    site, report = artifacts
    assert manifest == {
        "format": "bundle/v1",
        "name": "handover",
        "run": "r1",
        "capsule": {"name": "demo", "package": "acme/demo", "version": "1.2.0"},
        "plan": digest_of(b"plan"),
        "constitution": digest_of(b"house"),
        "contents": [
            {"name": "report.html", "artifact": report.artifact, "kind": "file", "size": 7},
            {"name": "site", "artifact": site.artifact, "kind": "folder", "size": site.size},
        ],
    }


def test_other_programs_unpack_it(bundle, artifacts, tmp_path):
    unpacked = tmp_path / "unpacked"
    subprocess.run(["python3", "-m", "zipfile", "-e", bundle(*artifacts), unpacked], check=True)
    assert (unpacked / "site" / "é.txt").read_text() == "é"
    assert (unpacked / "site" / "empty").is_dir()


def test_an_empty_folder_and_an_empty_file_are_there(bundle, contents, tmp_path):
    (tmp_path / "void").mkdir()
    (tmp_path / "nothing").touch()
    things = [contents.put_path(tmp_path / name, name) for name in ("void", "nothing")]
    with zipfile.ZipFile(bundle(*things)) as archive:
        assert archive.namelist() == ["manifest.json", "nothing", "void/"]


def test_two_things_of_one_name_are_refused(bundle, contents, artifacts, tmp_path):
    (tmp_path / "other").write_text("other")
    other = contents.put_path(tmp_path / "other", "report.html")
    with pytest.raises(StepFailure, match=r"two things are called `report\.html` in the bundle") as caught:
        bundle(*artifacts, other)
    assert caught.value.failure_class == "error"
    with pytest.raises(StepFailure, match=r"two things are called `manifest\.json`"):
        bundle(replace(other, name="manifest.json"))


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", ".zip", "..", "a\0", "a\nb", "a\x1b[31m", "a\u202eb", "\ud800"]
)
def test_the_name_is_the_name_of_a_file(bundle, artifacts, name):
    with pytest.raises(StepFailure, match="is not a file name"):
        bundle(*artifacts, name=name)


def test_a_name_that_no_file_system_takes_is_refused(bundle, artifacts):
    with pytest.raises(StepFailure, match="it may have 255 bytes"):
        bundle(*artifacts, name="\u00e9" * 126)
    assert bundle(*artifacts, name="\u00e9" * 125).name == "\u00e9" * 125 + ".zip"


def test_a_name_may_bring_its_ending(bundle, artifacts):
    assert bundle(*artifacts, name="x.zip").name == "x.zip"


def test_damaged_content_never_gets_into_a_bundle(bundle, contents, artifacts):
    digest = artifacts[1].artifact
    path = contents.root / "objects" / digest[7:9] / digest[9:]
    path.chmod(0o644)
    path.write_text("<p>evil")
    with pytest.raises(StepFailure, match="is damaged"):
        bundle(*artifacts)


def test_a_bundle_needs_something_to_hold():
    with pytest.raises(msgspec.ValidationError, match=r"length >= 1 - at `\$.include`"):
        msgspec.convert({"name": "x", "include": []}, BundleArgs)


def test_large_files_are_streamed(bundle, contents, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom(5_000_000))
    path: Path = bundle(contents.put_path(big, "big"))
    with zipfile.ZipFile(path) as archive:
        assert archive.read("big") == big.read_bytes()
    assert path.stat().st_size < 5_001_000


def test_the_bytes_are_the_same_on_every_python(tmp_path):
    """The digest was the same with CPython 3.10, 3.11, 3.12 and 3.13."""

    def member(path: str, mode: int, content: bytes) -> Member:
        return Member(path, mode, len(content), lambda target: target.write(content))

    members = [
        member("é.txt", file_mode(executable=False), b"hello"),
        member("a/run", file_mode(executable=True), b"x" * 1000),
        member("e/", FOLDER_MODE, b""),
        member("l", LINK_MODE, b"a/run"),
    ]
    write_archive(tmp_path / "x.zip", members)
    digest = hashlib.sha256((tmp_path / "x.zip").read_bytes()).hexdigest()
    assert digest == "fe3aa4b4a26ff1e5359246f009ad3e6b97f87491a6175968d3d35128bb5ca2ad"
