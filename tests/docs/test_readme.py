"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

from somagent_shell import Shell

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "readme" / "release-notes.capsule.yaml"


def block(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)


def test_the_capsule_shown_is_the_file_beside_it() -> None:
    assert block("yaml") == [EXAMPLE.read_text()]


def test_the_capsule_shown_runs_as_the_text_says_and_so_does_the_program(somagent: Shell) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(somagent.folder)]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"], ["tag", "v1.0"]):
        subprocess.run([*git, *command], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "two"], check=True)
    somagent.write(EXAMPLE.name, EXAMPLE.read_text())
    assert somagent("check", EXAMPLE.name).out == "ok: release-notes.capsule.yaml (capsule, 3 steps)\n"
    parked = somagent("run", EXAMPLE.name, "--input", "since=v1.0", "--output", "json")
    assert (parked.code, parked.json["steps"]["agree"]["waiting"]["title"]) == (3, "Publish the notes of 1 commits?")
    program = EXAMPLE.with_name("notes.py")
    assert block("python") == [program.read_text()]
    ran = subprocess.run([sys.executable, program], cwd=somagent.folder, capture_output=True, text=True, check=True)
    assert ran.stdout == "Waiting\n"
    approved = somagent("approve", "last", "agree", "--as", "ann", "--output", "json")
    assert (approved.code, approved.json["outputs"]["commits"]) == (0, 1)


def test_the_mistake_shown_is_told_so(somagent: Shell) -> None:
    somagent.write(EXAMPLE.name, EXAMPLE.read_text().replace("steps.log.commits > 0", "steps.log.commit > 0"))
    shown = block("text")[0]
    assert somagent("check", EXAMPLE.name).out.startswith(shown)


def test_each_make_target_shown_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"make ([a-z]+)", (ROOT / "README.md").read_text())) - {"and"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
