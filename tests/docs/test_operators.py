"""What the page about operators shows is what happens."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from somagent_shell import Shell

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "operators"
PAGE = (ROOT / "docs" / "operators.md").read_text()
PACKAGE = EXAMPLES / "somagent-words"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def here(somagent: Shell) -> Shell:
    """The command, beside the examples."""
    for path in EXAMPLES.rglob("*"):
        if path.is_file():
            somagent.write(path.relative_to(EXAMPLES).as_posix(), path.read_text())
    return somagent


@pytest.fixture
def words_installed(tmp_path: Path) -> str:
    """The example package, built and unpacked as an installer does; a folder for PYTHONPATH."""
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=PACKAGE, check=True, capture_output=True)
    with zipfile.ZipFile(next(wheels.iterdir())) as wheel:
        wheel.extractall(site)
    return str(site)


def test_every_text_shown_is_part_of_a_file() -> None:
    files = [path.read_text() for path in (ROOT / "docs" / "examples").rglob("*") if path.is_file()]
    shown = blocks("yaml") + blocks("python") + blocks("toml")
    assert len(shown) == 8
    for text in shown:
        assert any(text in file for file in files), text


def test_the_scripts_give_what_the_page_says(here: Shell) -> None:
    ended = here("run", "scripts.capsule.yaml", "--input", "name=Ada", "--output", "json")
    assert (ended.code, ended.json["phase"], ended.json["outputs"]["sum"]) == (0, "Succeeded", 7)
    assert ended.json["outputs"]["bundle"]["name"] == f"page-of-{ended.json['id']}.zip"


def test_an_operator_of_ones_own_is_checked_and_run(here: Shell, words_installed: str) -> None:
    assert "no operator `words`" in here("check", "words.capsule.yaml").out
    checked = here("check", "words.capsule.yaml", PYTHONPATH=words_installed)
    assert (checked.code, checked.err) == (0, "")
    run = ["run", "words.capsule.yaml", "--output", "json", "--input"]
    ended = here(*run, "text=to be or not", PYTHONPATH=words_installed)
    assert (ended.code, ended.json["outputs"]) == (0, {"count": 4})
    logs = here("logs", ended.json["id"], "count", PYTHONPATH=words_installed)
    assert "4 words in text.txt" in logs.out
    failed = here(*run, "text=alone", PYTHONPATH=words_installed)
    assert failed.json["phase"] == "Failed"
    assert "`text.txt` has 1 words, fewer than 2" in failed.out


def test_its_arguments_are_checked_like_those_of_the_others(here: Shell, words_installed: str) -> None:
    text = (EXAMPLES / "words.capsule.yaml").read_text()
    here.write("a.capsule.yaml", text.replace("least: 2", 'least: "2"'))
    here.write("b.capsule.yaml", text.replace("${{ steps.write.file }}", "${{ inputs.text }}"))
    assert "`least` must be a whole number" in here("check", "a.capsule.yaml", PYTHONPATH=words_installed).out
    assert "artifact" in here("check", "b.capsule.yaml", PYTHONPATH=words_installed).out


def test_a_run_that_lost_its_operator_says_so(here: Shell, words_installed: str) -> None:
    text = (EXAMPLES / "words.capsule.yaml").read_text()
    here.write("c.capsule.yaml", text.replace("script: {", "script: {", 1).replace("least: 2", "least: 9"))
    ended = here("run", "c.capsule.yaml", "--input", "text=a b", "--output", "json", PYTHONPATH=words_installed)
    again = here("retry", ended.json["id"], "--output", "json")
    assert again.code == 2
    assert "step `count` needs the operator `words`, which is not installed here" in again.err


def test_a_broken_plug_in_is_one_line_on_every_command(here: Shell, words_installed: str) -> None:
    (Path(words_installed) / "somagent_words.py").write_text("1 / 0")
    checked = here("check", "scripts.capsule.yaml", PYTHONPATH=words_installed)
    assert checked.code == 0
    assert checked.err.count("\n") == 1
    assert "operator `words` of `somagent_words 0.1.0` is left out" in checked.err
