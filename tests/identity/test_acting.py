"""Who acts: by token, by account, by what is said, in this order; what others may write says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import reviewing
from provider import TOKENS, signed
from somagent_shell import HEAD as CAPSULE

from somagent.workflows.accounts import account
from somagent.workflows.engines.local.upkeep import examine
from somagent.workflows.engines.local.upkeep.backup import back_up
from somagent.workflows.identity import IdentityRefused, Person, who_acts
from somagent.workflows.programs.blocking import run

Trusting = Callable[..., Path]
GROUPS = f"  groups: {{ leads: [ana, '{account().upper()}'], others: [bo] }}\n"


def test_without_a_folder_a_name_is_what_is_said_and_nobody_is_in_a_group(tmp_path: Path) -> None:
    assert who_acts(tmp_path) == Person(account())
    assert who_acts(tmp_path, said="bo", token="") == Person("bo")
    with pytest.raises(IdentityRefused, match=r"there is a token, but nothing in .*identity says which"):
        who_acts(tmp_path, token="x")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is empty"),
        (" ", "it is empty"),
        ("a" * 201, "at most 200 characters"),
        ("eve\nann", "only characters that can be seen, and U\\+000A is none"),
    ],
)
def test_nobody_acts_under_what_is_no_name(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(IdentityRefused, match=f"nobody acts under this name: .*{why}"):
        who_acts(tmp_path, said=name)


def test_where_groups_are_known_the_account_counts_and_no_other_name(trusting: Trusting) -> None:
    directory = trusting(GROUPS)
    assert who_acts(directory) == Person(account(), ("leads",))
    assert who_acts(directory, said=account().upper()).groups == ("leads",)
    with pytest.raises(IdentityRefused, match=f"so you are `{account()}`, not `bo`"):
        who_acts(directory, said="bo")


def test_where_tokens_are_known_nothing_else_counts(trusting: Trusting) -> None:
    directory = trusting(TOKENS + GROUPS)
    with pytest.raises(IdentityRefused, match=r"a token of https://login.acme.example is needed, in \$SOMAGENT_TOKEN"):
        who_acts(directory)
    with pytest.raises(IdentityRefused, match="by your token here, not by `--as`"):
        who_acts(directory, said="ana", token=signed())


def test_a_program_names_nobody_where_tokens_are_known(trusting: Trusting, tmp_path: Path) -> None:
    capsule = tmp_path / "hello.capsule.yaml"
    capsule.write_text(CAPSULE.replace("NAME", "hello") + "  steps: { hello: { script: { run: echo hello } } }\n")
    with pytest.raises(IdentityRefused, match="by your token here, not by `--as`"):
        run(capsule, data_dir=trusting(), submitter="ana")
    assert not (tmp_path / ".somagent" / "journal.sqlite3").exists()


def test_a_file_with_a_token_is_for_its_owner_only(trusting: Trusting, tmp_path: Path) -> None:
    directory, file = trusting(), tmp_path / "token"
    file.write_text(signed() + "\n")
    for mode in (0o644, 0o640, 0o602):
        file.chmod(mode)
        with pytest.raises(IdentityRefused, match=r"others may use .*token, which holds a token; mend it: chmod 600"):
            who_acts(directory, token_file=str(file))
    file.chmod(0o600)
    assert who_acts(directory, token_file=str(file), token="other").name == "ana"
    file.write_text("")
    with pytest.raises(IdentityRefused, match="is empty"):
        who_acts(directory, token_file=str(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(IdentityRefused, match="holds no token"):
        who_acts(directory, token_file=str(file))
    with pytest.raises(IdentityRefused, match="cannot be read: no such file"):
        who_acts(directory, token_file=str(tmp_path / "none"))


@pytest.mark.parametrize("what", ["", "identity.yaml", "login.pem"])
def test_what_others_may_write_says_nothing(trusting: Trusting, what: str) -> None:
    directory = trusting()
    (directory / "identity" / what).chmod(0o775)
    with pytest.raises(IdentityRefused, match="may be written by others, so it says nothing; mend it: chmod go-w"):
        who_acts(directory, token=signed())


def test_a_backup_trusts_what_its_original_trusted_and_the_doctor_says_what(trusting: Trusting, tmp_path: Path) -> None:
    directory, copy = trusting(TOKENS + GROUPS), tmp_path / "copy"
    asyncio.run(reviewing(directory).hold())
    back_up(directory, copy)
    assert who_acts(copy, token=signed()) == who_acts(directory, token=signed())
    said = {one.about: one for one in examine(copy)}["identity"]
    assert (said.state, said.said) == (
        "good",
        "people are known by tokens of https://login.acme.example; 2 groups here",
    )
    (copy / "identity" / "identity.yaml").chmod(0o666)
    assert [one.about for one in examine(copy) if one.state == "broken"] == ["identity"]


def test_what_is_missing_is_no_permission(trusting: Trusting) -> None:
    directory = trusting()
    (directory / "identity" / "login.pem").unlink()
    with pytest.raises(IdentityRefused, match=r"login.pem cannot be read: no such file"):
        who_acts(directory, token=signed())
    (directory / "identity" / "identity.yaml").unlink()
    with pytest.raises(IdentityRefused, match=r"identity.yaml cannot be read: no such file"):
        who_acts(directory, said="ana")
