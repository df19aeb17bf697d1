"""Rules of the house that a reader would otherwise have to take on trust."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("capsule_compiler", "cli", "governance", "operators", "workflows")
TOP = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "benchmarks",
    "charts",
    "docs",
    "pyproject.toml",
    "requirements",
    "somagent",
    "tests",
    *PARTS,
}


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def modules() -> list[Path]:
    return [path for path in tracked("*.py") if path.is_file() and not path.is_symlink()]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_the_top_of_the_tree_is_the_map_of_the_design() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} == TOP


def test_each_part_is_linked_into_the_one_package() -> None:
    for part in PARTS:
        link = ROOT / "somagent" / part
        assert link.is_symlink()
        assert link.readlink() == Path("..", part)


def test_nobody_imports_a_part_by_its_bare_name() -> None:
    library = ROOT / "workflows" / "library"
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules()
        if library not in path.parents
        for name in imports(path)
        if name.split(".")[0] in {*PARTS, "api"}
    }
    assert wrong == set()


def test_no_module_is_longer_than_600_lines_and_most_are_short() -> None:
    lengths = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in modules())
    assert lengths[-1] <= 600
    assert lengths[len(lengths) // 2] <= 150


def test_every_module_says_why_it_exists() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules()
        if path.read_text(encoding="utf-8").strip()
        and "examples" not in path.parts
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_test_stands_in_for_a_real_part() -> None:
    banned = {"unittest.mock", "mock", "pytest_mock", "responses", "respx", "requests_mock", "moto", "fakeredis"}
    assert [str(path) for path in modules() if banned.intersection(imports(path))] == []
    word = "monkey" + "patch"
    assert [str(path) for path in tracked("tests/*.py") if word in path.read_text(encoding="utf-8")] == []


def test_every_document_begins_with_the_law() -> None:
    law = "> Truth only: no mocks, no imitations, no bypasses, no invented values. Real servers, real data, exact math"
    assert [str(path) for path in tracked("*.md") if law not in path.read_text(encoding="utf-8")[:600]] == []


def test_lock_files_have_hashes_and_no_addresses() -> None:
    for path in tracked("requirements/*.txt"):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text
        assert "index-url" not in text
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
        assert text.count("--hash=sha256:") >= len(pins)


def test_each_dependency_says_what_it_is_for() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads("\n".join(lines))
    names = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["dependency-groups"]["bench"],
    ]
    silent = [
        name
        for name in names
        if isinstance(name, str) and not any(f'"{name}",' in line and "#" in line for line in lines)
    ]
    assert silent == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it would be published."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "-w",
        folder,
        ROOT,
    ]
    subprocess.run([sys.executable, *map(str, build)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_installs_one_package_and_all_of_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"somagent", "somagent-0.1.0.dist-info"}
    for needed in (
        "somagent/py.typed",
        "somagent/cli/main.py",
        "somagent/cli/templates/minimal.capsule.yaml",
        "somagent/governance/constitution/default.yaml",
        "somagent/workflows/library/repo-health/repo-health.capsule.yaml",
    ):
        assert needed in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    program = "import sys; sys.argv = ['somagent', 'new']; from somagent.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "installed"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("wrote hello.capsule.yaml")
    assert done.stderr == ""
