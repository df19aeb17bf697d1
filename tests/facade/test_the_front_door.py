"""What `import somagent` offers, and nothing else."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from small_capsules import REPOSITORY, sum_capsule

import somagent


def test_a_program_runs_a_capsule_in_one_call(tmp_path: Path) -> None:
    result = somagent.run(sum_capsule(tmp_path), {"left": 40}, data_dir=tmp_path / "runs", submitter="ann")
    assert (result.phase, result.outputs, result.view.run.submitter) == ("Succeeded", {"sum": 42}, "ann")
    assert result.check() is result


def test_the_call_works_where_an_event_loop_is_at_work(tmp_path: Path) -> None:
    async def cell() -> somagent.Result[dict[str, int]]:
        return somagent.run(sum_capsule(tmp_path), {"left": 40}, data_dir=tmp_path / "runs")

    assert asyncio.run(cell()).outputs == {"sum": 42}


def test_mistakes_come_as_one_exception_that_shows_them(tmp_path: Path) -> None:
    path = sum_capsule(tmp_path)
    path.write_text(path.read_text().replace("inputs.left", "inputs.lft"))
    for call in (somagent.run, somagent.compile):
        with pytest.raises(somagent.CapsuleRefused, match="did you mean `left`"):
            call(path)
    with pytest.raises(somagent.InputsRefused, match=r'`left` is missing; give it with `inputs=\{"left": \.\.\.\}`'):
        somagent.run(sum_capsule(tmp_path), data_dir=tmp_path / "runs")
    with pytest.raises(somagent.NotReadable, match=r"cannot read `gone\.yaml`"):
        somagent.run("gone.yaml", data_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_what_was_compiled_runs_as_it_was(tmp_path: Path) -> None:
    path = sum_capsule(tmp_path)
    capsule = somagent.compile(path)
    path.unlink()
    result = somagent.run(capsule, {"left": 1}, data_dir=tmp_path / "runs")
    assert (repr(capsule), result.outputs) == ("<Capsule sum: 1 step>", {"sum": 3})
    with pytest.raises(TypeError, match="compiled with its constitution"):
        somagent.run(capsule, {"left": 1}, constitution="house.yaml")


def test_everything_that_is_promised_is_there() -> None:
    assert all(hasattr(somagent, name) for name in somagent.__all__)
    assert somagent.__all__ == sorted(somagent.__all__)
    assert not hasattr(somagent, "nothing")


def test_every_exception_is_on_the_page() -> None:
    page = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| ", page, re.MULTILINE)
    every = {
        name
        for name in somagent.__all__
        if isinstance(found := getattr(somagent, name), type) and issubclass(found, Exception)
    }
    assert {name for name in listed if name in somagent.__all__ and name not in {"Run", "Runs"}} == every


def test_importing_the_package_alone_loads_no_part() -> None:
    program = "import sys, somagent; print([name for name in sys.modules if name.startswith('somagent.')])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


def test_a_strict_checker_knows_the_types_of_a_users_program(tmp_path: Path) -> None:
    programs = [Path(__file__).with_name("typed_program.py"), *(REPOSITORY / "docs/examples/python").glob("*.py")]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path)]
    checked = subprocess.run([*command, *programs], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert checked.stdout.startswith(f"Success: no issues found in {len(programs)} source file"), checked.stdout
