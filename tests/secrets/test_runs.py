"""A run uses a secret, and its value is in nothing that the run leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from somagent_shell import Shell

VALUE = 's3cr3t-"tok en'
CAPSULE = """apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: push }
spec:
  uses:
    secrets: { token: { secret: git-writer, key: token, grantTo: [push] } }
  inputs:
    where: { type: string, default: nowhere }
    extra: { type: secret, grantTo: [push] }
  steps:
    push:
      script:
        run: |
          echo "token $TOKEN, extra $EXTRA"; printf '%s' "${TOKEN:0:3}"; sleep 0.1; echo "${TOKEN:3}"
          cat "$SOMAGENT_INPUT"
          echo fine > out.txt
          case "$WHERE" in
            output) echo "length=$TOKEN" >> "$SOMAGENT_OUTPUT" ;;
            file) echo "$TOKEN" > out.txt ;;
            failure) echo "cannot log in with $TOKEN" >&2; exit 3 ;;
            *) echo "length=${#TOKEN}" >> "$SOMAGENT_OUTPUT" ;;
          esac
          [ "$WHERE" != file ] || echo "length=1" >> "$SOMAGENT_OUTPUT"
        env: { TOKEN: "${{ secrets.token }}", EXTRA: "${{ inputs.extra }}", WHERE: "${{ inputs.where }}" }
      outputs: { length: { type: string }, out: { type: artifact, path: out.txt } }
  outputs: { length: "${{ steps.push.length }}" }
"""


@pytest.fixture
def shell(somagent: Shell) -> Shell:
    (somagent.folder / "push.capsule.yaml").write_text(CAPSULE)
    for name, value in (("git-writer/token", VALUE), ("other/key", "another-value")):
        file = somagent.folder / "secrets" / name
        file.parent.mkdir(parents=True)
        file.write_text(value)
        file.chmod(0o600)
    return somagent


def run(shell: Shell, *arguments: str) -> tuple[int, str]:
    command = ["run", "push.capsule.yaml", "--input", "extra=other/key", *arguments]
    done = shell(*command, SOMAGENT_SECRETS=str(shell.folder / "secrets"))
    return done.code, done.out + done.err


def traces(folder: Path) -> list[str]:
    words = [VALUE.encode(), VALUE.replace('"', '\\"').encode(), b"another-value"]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(word in path.read_bytes() for word in words)]


def test_a_granted_script_gets_the_values_and_nothing_that_is_kept_has_them(shell: Shell) -> None:
    code, text = run(shell)
    assert code == 0, text
    assert f"length = {len(VALUE)}" in text
    assert traces(shell.folder / ".somagent") == []
    assert "token ***, extra ***\n" in shell("logs", "last").out.replace("push | ", "")


@pytest.mark.parametrize("where", ["output", "file", "failure"])
def test_a_script_that_gives_a_value_away_fails_and_nothing_keeps_it(shell: Shell, where: str) -> None:
    code, text = run(shell, "--input", f"where={where}")
    assert code == 1
    assert VALUE not in text
    assert ("it holds the value of a secret" in text) == (where != "failure")
    assert traces(shell.folder / ".somagent") == []


def test_a_run_whose_secret_is_not_here_is_refused_before_there_is_one(shell: Shell) -> None:
    (shell.folder / "secrets" / "git-writer" / "token").unlink()
    code, text = run(shell)
    assert code == 2
    assert "secret `git-writer/token` is not here: write its value to " in text
    assert not (shell.folder / ".somagent").exists()


def test_a_value_in_the_place_of_a_name_is_refused_and_not_repeated(shell: Shell) -> None:
    code, text = run(shell, "--input", f"extra={VALUE}")
    assert code == 2
    assert "give its name as SECRET/KEY, never its value" in text
    assert VALUE not in text
