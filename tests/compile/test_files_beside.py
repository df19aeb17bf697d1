"""What lies beside a capsule travels with it whole, or the compiler says what cannot: nothing is dropped in silence."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from somagent.governance.constitution import default_constitution
from somagent.workflows.capsules import compile_file, this_installation

CAPSULE = """
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: beside }
spec:
  steps:
    a: { script: { run: "true", include: [INCLUDE] } }
"""

Compile = Callable[[str], tuple[list[str], list[str]]]


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """The capsule's folder, with a folder `Sub` that holds a file, and a file outside."""
    folder = tmp_path / "capsule"
    (folder / "Sub" / "in").mkdir(parents=True)
    (folder / "Sub" / "in" / "a.txt").write_text("a")
    (folder / "other.txt").write_text("other")
    (tmp_path / "secret").write_text("secret")
    return folder


@pytest.fixture
def compiled(beside: Path) -> Compile:
    """The paths of the files in the plan, and the messages."""

    def make(include: str) -> tuple[list[str], list[str]]:
        path = beside / "beside.capsule.yaml"
        path.write_text(CAPSULE.replace("INCLUDE", include).lstrip())
        made = compile_file(path, this_installation(), default_constitution())
        files = [] if made.plan is None else [file.path for file in made.plan.files]
        return files, [f"{one.name}: {one.message}" for one in made.diagnostics]

    return make


@pytest.mark.parametrize("target", ["../../../secret", "/etc/passwd", "../../.."])
def test_a_link_that_leads_out_is_an_error_wherever_it_is(beside: Path, compiled: Compile, target: str) -> None:
    (beside / "Sub" / "in" / "Link").symlink_to(target)
    said = "`Sub/in/Link` leads out of the capsule's folder"
    for include in ("Sub", "Sub/in", "Sub/in/Link"):
        assert compiled(include) == ([], [f"file-beside-missing: cannot read `{include}`: {said}"])


def test_a_link_to_a_file_beside_the_capsule_is_that_file(beside: Path, compiled: Compile) -> None:
    (beside / "Sub" / "link.txt").symlink_to("../other.txt")
    assert compiled("Sub") == (["Sub/in/a.txt", "Sub/link.txt"], [])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.symlink_to("in"), "`Sub/odd` is a link to a folder; name that folder under `include` too"),
        (lambda path: path.symlink_to("nowhere"), "`Sub/odd` cannot be read: no such file or directory"),
        (lambda path: path.symlink_to("odd"), "`Sub/odd` cannot be read: too many levels of symbolic links"),
        (os.mkfifo, "`Sub/odd` is neither a file nor a folder"),
    ],
)
def test_what_cannot_travel_is_named(beside: Path, compiled: Compile, make: Callable[[Path], None], said: str) -> None:
    make(beside / "Sub" / "odd")
    files, messages = compiled("Sub")
    assert files == []
    assert [message.startswith(f"file-beside-missing: cannot read `Sub`: {said}") for message in messages] == [True]


def test_what_tools_leave_behind_stays_behind(beside: Path, compiled: Compile) -> None:
    for name in ("__pycache__/a.pyc", ".git/config", ".venv/x", "node_modules/y", ".somagent/lease", "b.pyc"):
        path = beside / "Sub" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    assert compiled("Sub") == (["Sub/in/a.txt"], [])
