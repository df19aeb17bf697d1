"""Operators of other packages: found through their entry points, and left out in one line when they cannot be used."""

import subprocess
import sys
from pathlib import Path

import pytest

from somagent.operators.registry import BUILT_IN, Registry, entry_points, load_operators

GOOD = """
import msgspec
from somagent.capsule_compiler.catalogue import OperatorEntry
from somagent.operators.operator import Answer, Operator, arguments_schema

class Args(msgspec.Struct):
    pass

async def run(args, step):
    return Answer({})

def made(name, **fields):
    entry = OperatorEntry(name=name, summary="", arguments=arguments_schema(Args), **fields)
    return Operator(entry=entry, arguments=Args, run=run)

OPERATOR = made("NAME")
"""


@pytest.fixture
def installed(tmp_path, request):
    """Installs a package with an operator, as pip leaves it, and loads all operators."""
    before = set(sys.modules)
    sys.path.insert(0, str(tmp_path))

    def install(
        name: str, code: str = GOOD, *, package: str = "", value: str = "", folder: Path = tmp_path
    ) -> Registry:
        module = f"plug_in_{len(list(tmp_path.glob('*.py')))}_{request.node.name.split('[')[0]}"[:60]
        (tmp_path / f"{module}.py").write_text(code.replace("NAME", name))
        info = folder / f"{package or module}-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        points = f"[console_scripts]\nx = y:z\n\n[somagent.operators]\n{name} = {module}:OPERATOR\n"
        (info / "entry_points.txt").write_text(points)
        return load_operators()

    yield install
    sys.path.remove(str(tmp_path))
    for module in set(sys.modules) - before:
        if module.startswith("plug_in_"):
            del sys.modules[module]


def test_the_built_in_operators_are_there_without_any_entry_point():
    registry = load_operators([])
    assert (
        list(registry.operators)
        == sorted(BUILT_IN)
        == ["bundle", "capsule", "policy", "review", "script", "slm", "tool"]
    )
    assert all(operator.entry.name == name and operator.entry.core for name, operator in registry.operators.items())
    assert registry.faults == []


def test_the_entry_points_of_this_installation_are_the_built_in_operators():
    ours = {point.name: point.value for point in entry_points(sys.path) if point.package.startswith("somagent ")}
    assert ours == BUILT_IN


def test_the_catalogue_is_data_and_has_a_digest():
    catalogue = load_operators([]).catalogue
    assert catalogue.operators["script"].declares_outputs
    assert catalogue.operators["bundle"].outputs == {"artifact": {"type": "artifact"}}
    assert catalogue.digest() == load_operators([]).catalogue.digest()


def test_an_operator_of_another_package_is_found(installed):
    registry = installed("count_words")
    assert registry.faults == []
    assert registry.operators["count_words"].entry.name == "count_words"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(0)", "fails with SystemExit: 0"),
        ("1 / 0", "fails with ZeroDivisionError: division by zero"),
        ("import nothing_of_this_name", "fails with ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("x = 1", "fails with AttributeError: module"),
        ("def broken(", "fails with SyntaxError"),
        ("OPERATOR = 7", "is of type `int`, not `somagent.operators.operator.Operator`"),
        (GOOD.replace('"NAME"', '"other"'), "calls itself `other`"),
        (GOOD.replace('"NAME"', '"NAME", core=True'), "only SomaGent's own operators can be `core`"),
    ],
)
def test_a_broken_plug_in_is_one_line_and_harms_no_other(installed, code, reason):
    registry = installed("mine", code, package="acme_tools")
    assert len(registry.faults) == 1
    assert registry.faults[0].startswith("operator `mine` of `acme_tools 1.0` is left out: ")
    assert reason in registry.faults[0]
    assert "\n" not in registry.faults[0]
    assert list(registry.operators) == sorted(BUILT_IN)


def test_a_plug_in_cannot_take_the_place_of_a_built_in_operator(installed):
    registry = installed("script", package="evil")
    assert registry.faults == ["operator `script` of `evil 1.0` is left out: the name belongs to a built-in operator"]
    assert registry.operators["script"].entry.core


def test_two_plug_ins_of_one_name_are_both_left_out(installed):
    installed("twice", package="first")
    registry = installed("twice", package="second")
    assert registry.faults == [
        "operator `twice` is left out: `first 1.0` and `second 1.0` both bring one; remove one of the packages"
    ]


def test_a_package_installed_twice_is_taken_where_it_is_found_first(installed, tmp_path):
    installed("mine", package="same")
    registry = installed("mine", package="same", folder=tmp_path / "later")
    assert registry.faults == []
    points = list(entry_points([str(tmp_path), str(tmp_path / "later")]))
    assert [point.package for point in points] == ["same 1.0"]


def test_odd_folders_on_the_path_are_passed_over(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK")
    (tmp_path / "odd.dist-info").mkdir()
    (tmp_path / "odd.dist-info" / "entry_points.txt").write_bytes(b"\xff[somagent.operators]\nx = y")
    (tmp_path / "none.egg-info").touch()
    assert list(entry_points([str(tmp_path / "a.zip"), str(tmp_path / "gone"), str(tmp_path)])) == []


def test_only_the_operators_that_are_asked_for_are_loaded(installed):
    installed("mine")
    installed("broken", "raise RuntimeError")
    assert list(load_operators(only={"script", "mine"}).operators) == ["mine", "script"]
    assert load_operators(only={"script", "mine"}).faults == []
    assert list(load_operators(only={"script", "gone"}).operators) == ["script"]
    assert len(load_operators(only={"broken"}).faults) == 1


def test_the_catalogue_is_read_without_loading_what_only_runs_need():
    heavy = "asyncio subprocess zipfile sqlite3 jsonschema_rs importlib.metadata shutil tempfile"
    code = (
        "import sys; from somagent.operators.registry import load_operators; load_operators().catalogue.digest();"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
