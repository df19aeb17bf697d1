"""Values of secrets are read at the last moment, from files that nobody else can read."""

import os
from pathlib import Path

import pytest

from somagent.operators.operator import StepFailure
from somagent.operators.runner.records import Secret
from somagent.operators.runner.secrets import SecretMissing, Vault, read_secret, secret_named, secrets_folder

TOKEN = Secret(secret="git-writer", key="token")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    file = tmp_path / "git-writer" / "token"
    file.parent.mkdir()
    file.write_text("s3cr3t\n")
    file.chmod(0o600)
    return file


def test_the_line_break_that_editors_add_is_not_part_of_the_value(kept: Path) -> None:
    assert read_secret(TOKEN, kept.parents[1]) == "s3cr3t"


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (b"s3cr3t", 0o640, "others can read"),
        (b"", 0o600, "is empty"),
        (b"\n", 0o600, "is empty"),
        (b"a\0b", 0o600, "NUL"),
        (b"\xff", 0o600, "not UTF-8"),
        (b"a" * 65_537, 0o600, "more than 65,536 bytes"),
    ],
)
def test_what_is_no_value_is_refused_without_showing_it(kept: Path, content: bytes, mode: int, reason: str) -> None:
    kept.write_bytes(content)
    kept.chmod(mode)
    with pytest.raises(SecretMissing, match=reason) as refused:
        read_secret(TOKEN, kept.parents[1])
    assert "s3cr3t" not in str(refused.value)


def test_a_secret_that_is_not_here_is_told_with_the_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing, match=f"write its value to {tmp_path}/git-writer/token"):
        read_secret(TOKEN, tmp_path)


@pytest.mark.parametrize("text", ["../x", "a/..", "a/.", "a/b/c", "/etc/passwd", "a", "", "A/b", "a/b\n", None, 3])
def test_only_a_name_and_a_key_name_a_secret(text: object) -> None:
    assert secret_named(text) is None


def test_the_folder_is_the_one_that_is_named_else_below_the_configuration() -> None:
    assert secrets_folder({"SOMAGENT_SECRETS": "/run/secrets"}) == Path("/run/secrets")
    assert secrets_folder({"XDG_CONFIG_HOME": "/home/ana/.conf"}) == Path("/home/ana/.conf/somagent/secrets")


def test_a_variable_goes_before_a_program_and_a_program_before_a_file(kept: Path) -> None:
    folder = kept.parents[1]
    assert read_secret(TOKEN, folder, {}) == "s3cr3t"
    program = {"SOMAGENT_SECRETS_COMMAND": "printf 'from %s\\n'"}
    assert read_secret(TOKEN, folder, program) == "from git-writer/token"
    assert read_secret(TOKEN, folder, {**program, "SOMAGENT_SECRET_GIT_WRITER__TOKEN": "from env\n"}) == "from env"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("sh -c 'echo s3cr3t; echo s3cr3t >&2; exit 3'", "ended with exit code 3 for it"),
        ("no-such-program", "cannot be started"),
        ("'unclosed", "cannot be started"),
        ("true", "what .SOMAGENT_SECRETS_COMMAND printed is empty"),
    ],
)
def test_a_program_that_gives_no_value_is_told_without_its_words(tmp_path: Path, command: str, reason: str) -> None:
    with pytest.raises(SecretMissing, match=reason) as refused:
        read_secret(TOKEN, tmp_path, {"SOMAGENT_SECRETS_COMMAND": command})
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_account_is_refused(kept: Path) -> None:
    os.chown(kept, 12345, -1)
    with pytest.raises(SecretMissing, match="belongs to another account"):
        read_secret(TOKEN, kept.parents[1])


def test_a_step_reads_what_it_was_granted_and_nothing_else() -> None:
    vault = Vault([TOKEN], read=lambda secret: f"value of {secret.key}")
    assert vault.value(TOKEN) == "value of token"
    with pytest.raises(StepFailure, match="not granted") as refused:
        vault.value(Secret(secret="git-writer", key="admin"))
    assert refused.value.failure_class == "denied"
