"""A plan and its files go into ConfigMaps and come back, whatever they are and however large."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from somagent.capsule_compiler.plan import encode_plan
from somagent.governance.constitution import default_constitution
from somagent.workflows.capsules import compile_content, compile_file, find_capsule, library, this_installation
from somagent.workflows.engines.argo.kept import MOST_BYTES, kept_in, names_of, read_kept
from somagent.workflows.engines.protocol import EngineError

INSTALLED = this_installation()
HEAD = "apiVersion: somagent.io/v1alpha1\nkind: Capsule\nmetadata: { name: demo }\nspec:\n"
TAKES = '  steps:\n    a: { script: { run: "true", include: [data] } }\n'


def compiled(folder: Path, spec: str, files: dict[str, bytes]):
    for name, content in files.items():
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    done = compile_content(folder / "demo.capsule.yaml", (HEAD + spec).encode(), INSTALLED, default_constitution())
    assert done.plan is not None, done.diagnostics
    return done.plan, done.contents


def mounted(maps, folder: Path) -> Path:
    """As the kubelet lays it out: all entries in one folder."""
    folder.mkdir()
    for one in maps:
        for name, text in one.get("data", {}).items():
            (folder / name).write_bytes(text.encode())
        for name, text in one.get("binaryData", {}).items():
            (folder / name).write_bytes(base64.b64decode(text))
    (folder / "..data").mkdir()
    return folder


@pytest.mark.parametrize("name", library())
def test_every_library_capsule_comes_back_as_it_was(name, tmp_path):
    done = compile_file(find_capsule(name), INSTALLED, default_constitution())
    maps = kept_in(done.plan, done.contents)
    plan, files = read_kept(mounted(maps, tmp_path / "plan"))
    assert plan == done.plan
    assert files == done.contents
    entries = [entry for one in maps for part in one.values() for entry in part]
    assert len(entries) == len(set(entries))
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", entry) for entry in entries)


@settings(max_examples=25)
@given(contents=st.lists(st.binary(max_size=50) | st.text(max_size=50).map(str.encode), max_size=4))
def test_files_come_back_whatever_is_in_them(contents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    files = {f"{number}": content for number, content in enumerate(contents)} | {"x": b""}
    plan, given_ = compiled(folder, TAKES, files)
    again, kept = read_kept(mounted(kept_in(plan, given_), folder / "plan"))
    assert encode_plan(again) == encode_plan(plan)
    assert kept == {f"data/{name}": content for name, content in files.items()}


def test_what_is_large_is_kept_in_parts_that_kubectl_can_apply(tmp_path):
    files = {"big": bytes(range(256)) * 2000, "text": b'"\\\n' * 100_000, "small": b"here"}
    plan, contents = compiled(tmp_path, TAKES, files)
    maps = kept_in(plan, contents)
    assert len(maps) > 4
    assert all(len(json.dumps(one)) < 256 * 1024 for one in maps)
    assert read_kept(mounted(maps, tmp_path / "plan")) == (plan, contents)


def test_what_a_cluster_cannot_keep_is_refused_with_the_largest_files(tmp_path):
    plan, contents = compiled(tmp_path, TAKES, {"big": b"a" * MOST_BYTES, "small": b"b"})
    with pytest.raises(EngineError, match=r"4,194,304 at most; the largest files are `data/big` \(4,194,304 bytes\)"):
        kept_in(plan, contents)


def test_a_file_that_changed_meanwhile_is_noticed(tmp_path):
    plan, _ = compiled(tmp_path, TAKES, {"one": b"a"})
    with pytest.raises(EngineError, match="`data/one` changed since"):
        kept_in(plan, {"data/one": b"b"})


def test_a_config_map_that_is_not_mounted_is_named(tmp_path):
    (tmp_path / "plan").mkdir()
    with pytest.raises(EngineError, match=r"has no `plan\.json`: a ConfigMap of this workflow is missing"):
        read_kept(tmp_path / "plan")


def test_the_name_of_a_config_map_follows_from_what_is_in_it():
    first, second, third = names_of("demo", [{"data": {"a": "1"}}, {"data": {"a": "2"}}, {"data": {"a": "1"}}])
    assert first == third != second
    assert re.fullmatch("demo-[0-9a-f]{12}", first)
