"""The content store: equal content once, whole or not at all, damage noticed, copies for readers that harm nothing."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from somagent.operators.runner.contents import ArtifactRefused, ContentError, Contents
from somagent.operators.runner.folders import remove_tree
from somagent.operators.runner.records import Artifact, artifact_of
from somagent.operators.runner.tree import Tree, TreeFile, TreeFolder, TreeLink, decode_tree, encode_tree


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    return Contents(tmp_path / "contents")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (root / "sub" / "run.sh").chmod(0o755)
    (root / "ü.txt").write_text("ü")
    (root / "link").symlink_to("sub/run.sh")
    return root


def objects(contents: Contents) -> list[Path]:
    return sorted(path for path in (contents.root / "objects").rglob("*") if path.is_file())


def test_bytes_come_back_and_are_stored_once(contents):
    digest = contents.put_bytes(b"hello")
    assert contents.put_bytes(b"hello") == digest
    assert contents.read_bytes(digest) == b"hello"
    assert len(objects(contents)) == 1
    assert stat.S_IMODE(objects(contents)[0].stat().st_mode) == 0o444
    assert not list((contents.root / "incoming").iterdir())


def test_damage_and_loss_are_named(contents):
    digest = contents.put_bytes(b"hello")
    path = objects(contents)[0]
    path.chmod(0o644)
    path.write_bytes(b"hellO")
    with pytest.raises(ContentError, match=f"content {digest} is damaged"):
        contents.read_bytes(digest)
    path.unlink()
    with pytest.raises(ContentError, match=f"content {digest} is missing"):
        contents.read_bytes(digest)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../etc/passwd", "md5:" + "0" * 64, "sha256:" + "G" * 64])
def test_what_is_no_digest_names_no_file(contents, digest):
    with pytest.raises(ContentError, match="is not a content digest"):
        contents.read_bytes(digest)


def test_a_file_cut_short_is_written_again(contents):
    digest = contents.put_bytes(b"hello")
    path = objects(contents)[0]
    path.chmod(0o644)
    path.write_bytes(b"hel")
    assert contents.put_bytes(b"hello") == digest
    assert contents.read_bytes(digest) == b"hello"


def test_a_large_file_is_stored_without_being_read_whole(contents, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(os.urandom(3_000_001))
    artifact = contents.put_path(path, "large")
    assert artifact.size == 3_000_001
    assert contents.read_bytes(artifact.artifact) == path.read_bytes()
    assert contents.put_path(path, "other") == replace(artifact, name="other")


def test_equal_folders_are_equal_artifacts_whatever_their_times_and_names(contents, tree, tmp_path):
    first = contents.put_path(tree, "tree")
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", tree, copy], check=True)
    os.utime(copy / "ü.txt", (0, 0))
    (copy / "ü.txt").chmod(0o600)
    count = len(objects(contents))
    assert contents.put_path(copy, "tree") == first
    assert len(objects(contents)) == count


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "ü.txt").write_text("u"),
        lambda root: (root / "ü.txt").chmod(0o755),
        lambda root: (root / "sub" / "empty").rmdir(),
        lambda root: (root / "sub" / "empty" / "x").touch(),
        lambda root: (root / "link").unlink(),
    ],
)
def test_any_change_of_what_travels_changes_the_digest(contents, tree, change):
    before = contents.put_path(tree, "tree")
    change(tree)
    assert contents.put_path(tree, "tree").artifact != before.artifact


def test_the_shared_copy_is_read_only_and_complete(contents, tree):
    copy = contents.shared_copy(contents.put_path(tree, "tree"))
    assert copy.name == "tree"
    modes = {path.relative_to(copy).as_posix(): stat.S_IMODE(path.lstat().st_mode) for path in (copy, *copy.rglob("*"))}
    del modes["link"]
    assert modes == {".": 0o555, "sub": 0o555, "sub/empty": 0o555, "sub/run.sh": 0o555, "ü.txt": 0o444}
    assert os.readlink(copy / "link") == "sub/run.sh"  # noqa: PTH115
    assert (copy / "ü.txt").read_text() == "ü"


def test_a_copy_is_made_once_and_survives_the_process(contents, tree):
    artifact = contents.put_path(tree, "tree")
    copy = contents.shared_copy(artifact)
    inode = (copy / "ü.txt").stat().st_ino
    assert contents.shared_copy(artifact) == copy
    assert Contents(contents.root).shared_copy(artifact) == copy
    assert (copy / "ü.txt").stat().st_ino == inode


def test_one_content_under_two_names_is_two_copies(contents, tmp_path):
    (tmp_path / "a").write_text("x")
    first = contents.put_path(tmp_path / "a", "a")
    assert contents.shared_copy(first).name == "a"
    assert contents.shared_copy(replace(first, name="b")).name == "b"
    assert os.access(contents.shared_copy(replace(first, executable=True)), os.X_OK)


@pytest.mark.parametrize("again", [lambda contents: contents, lambda contents: Contents(contents.root)])
@pytest.mark.parametrize(
    "harm",
    [
        lambda copy: (copy / "ü.txt").write_text("ö"),
        lambda copy: (copy / "new").touch(),
        lambda copy: (copy / "ü.txt").unlink(),
        lambda copy: ((copy / "link").unlink(), (copy / "link").symlink_to("/etc/passwd")),
        remove_tree,
    ],
)
def test_a_copy_that_was_changed_is_replaced_and_left_to_its_readers(contents, tree, harm, again):
    artifact = contents.put_path(tree, "tree")
    copy = contents.shared_copy(artifact)
    subprocess.run(["chmod", "-R", "u+w", copy], check=True)
    harm(copy)
    fresh = again(contents).shared_copy(artifact)
    assert contents.put_path(fresh, "tree") == artifact
    assert contents.read_bytes(contents.put_bytes("ü".encode())) == "ü".encode()


def test_many_readers_at_once_get_one_copy(contents, tree):
    artifact = contents.put_path(tree, "tree")
    with ThreadPoolExecutor(8) as pool:
        copies = set(pool.map(lambda _: contents.shared_copy(artifact), range(32)))
    assert len(copies) == 1


PUT_AND_COPY = """
import sys
from pathlib import Path
from somagent.operators.runner.contents import Contents
contents = Contents(Path(sys.argv[1]))
for _ in range(5):
    artifact = contents.put_path(Path(sys.argv[2]), "tree")
    print(artifact.artifact, (contents.shared_copy(artifact) / "f1").read_text())
"""


def test_several_processes_may_write_and_copy_at_once(contents, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(100):
        (source / f"f{number}").write_text(f"{number}" * 100)
    command = [sys.executable, "-c", PUT_AND_COPY, str(contents.root), str(source)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert len(answers) == 1
    artifact = contents.put_path(source, "tree")
    assert answers == {f"{artifact.artifact} {'1' * 100}\n" * 5}
    assert not list((contents.root / "incoming").iterdir())


def test_a_folder_that_nobody_may_write_to_can_be_removed(contents, tree, tmp_path):
    copy = contents.materialise(contents.put_path(tree, "tree"), tmp_path / "contents")
    assert copy.exists()
    remove_tree(copy)
    remove_tree(copy)
    contents.shared_copy(contents.put_path(tree, "tree"))
    contents.retire_copies(contents.root.parent / "away" / "1")
    contents.retire_copies(contents.root.parent / "away" / "2")  # none are left
    assert not (contents.root / "copies").exists()


def test_a_copy_of_ones_own_is_checked_on_the_way(contents, tree, tmp_path):
    artifact = contents.put_path(tree, "tree")
    victim = next(path for path in objects(contents) if path.read_bytes() == "ü".encode())
    victim.chmod(0o644)
    victim.write_bytes("ö".encode())
    with pytest.raises(ContentError, match="is damaged"):
        contents.materialise(artifact, tmp_path / "contents")
    with pytest.raises(ContentError, match="is damaged"):
        contents.shared_copy(artifact)
    assert not [path for path in (contents.root / "copies").iterdir() if path.name.startswith("making-")]


def test_too_large_an_artifact_is_refused_with_both_sizes(tmp_path):
    contents = Contents(tmp_path / "contents", artifact_cap_bytes=1000)
    (tmp_path / "d").mkdir()
    for name in "ab":
        (tmp_path / "d" / name).write_bytes(bytes(600))
    assert contents.put_path(tmp_path / "d" / "a", "a").size == 600
    with pytest.raises(ArtifactRefused, match="`d` has 1,200 bytes; an artifact may have at most 1,000"):
        contents.put_path(tmp_path / "d", "d")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\0"])
def test_an_artifact_has_the_name_of_one_file(contents, tmp_path, name):
    (tmp_path / "f").touch()
    with pytest.raises(ArtifactRefused, match="is not a file name"):
        contents.put_path(tmp_path / "f", name)
    artifact = replace(contents.put_path(tmp_path / "f", "f"), name=name)
    with pytest.raises(ArtifactRefused, match="is not a file name"):
        contents.shared_copy(artifact)


@pytest.mark.parametrize("path", ["../x", "/x", "a/../x", "a//b", "./a", ""])
def test_a_manifest_that_names_places_outside_is_refused(contents, tmp_path, path):
    manifest = contents.put_bytes(msgspec.json.encode({"entries": [{"type": "folder", "path": path}]}))
    artifact = Artifact(artifact=manifest, kind="folder", name="x", size=0)
    with pytest.raises(ArtifactRefused, match="not inside the folder"):
        contents.materialise(artifact, tmp_path)


def test_nothing_is_written_through_a_link_of_a_manifest(contents, tmp_path):
    (tmp_path / "outside").mkdir()
    entries = [
        TreeLink(path="d", target=str(tmp_path / "outside")),
        TreeFile(path="d/x", digest=contents.put_bytes(b"x"), size=1),
    ]
    manifest = contents.put_bytes(encode_tree(Tree(entries=entries)))
    with pytest.raises(FileExistsError):
        contents.materialise(Artifact(artifact=manifest, kind="folder", name="t", size=1), tmp_path)
    assert not list((tmp_path / "outside").iterdir())


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6)
DIGESTS = st.integers(0, 2**256 - 1).map(lambda number: f"sha256:{number:064x}")
ENTRIES = st.one_of(
    st.builds(TreeFile, path=NAMES, digest=DIGESTS, size=st.integers(0, 2**52), executable=st.booleans()),
    st.builds(TreeLink, path=NAMES, target=NAMES),
    st.builds(TreeFolder, path=NAMES),
)


@given(st.lists(ENTRIES, max_size=5, unique_by=lambda entry: entry.path))
def test_a_manifest_is_canonical_json_in_the_order_of_its_paths(entries):
    tree = Tree(entries=sorted(entries, key=lambda entry: entry.path.encode()))
    assert encode_tree(Tree(entries=entries)) == rfc8785.dumps(msgspec.to_builtins(tree))


FILE_NAMES = NAMES.filter(lambda name: name not in {".", ".."})
FOLDERS = st.recursive(st.binary(max_size=20), lambda inner: st.dictionaries(FILE_NAMES, inner, max_size=4))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.dictionaries(FILE_NAMES, FOLDERS, max_size=4))
def test_any_folder_comes_back_as_it_was(tmp_path, folder):
    def write(path, value):
        if isinstance(value, dict):
            path.mkdir()
            for name, part in value.items():
                write(path / name, part)
        else:
            path.write_bytes(value)

    root = tmp_path / os.urandom(6).hex()
    root.mkdir()
    write(root / "in", folder)
    contents = Contents(root / "contents")
    artifact = contents.put_path(root / "in", "out")
    copy = contents.shared_copy(artifact)
    assert contents.put_path(copy, "out") == artifact

    def read(path):
        return {p.name: read(p) for p in path.iterdir()} if path.is_dir() else path.read_bytes()

    assert read(copy) == folder
    decode_tree(contents.read_bytes(artifact.artifact))


def test_an_artifact_is_recognised_by_its_exact_form():
    record = {"artifact": "sha256:" + "0" * 64, "kind": "file", "name": "x", "size": 1}
    assert artifact_of(record) == Artifact(**record)
    assert artifact_of({**record, "executable": True}) == Artifact(**record, executable=True)
    for other in (
        {**record, "more": 1},
        {**record, "kind": "pipe"},
        {**record, "artifact": "sha256:0"},
        {**record, "size": "1"},
        {"artifact": record["artifact"]},
        [],
        None,
        "sha256:" + "0" * 64,
    ):
        assert artifact_of(other) is None
