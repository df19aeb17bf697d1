"""Who acts in this process, by what the data directory trusts; never by what somebody only says, where it trusts."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from msgspec import UNSET, Struct

from somagent.operators.names import name_fault, person
from somagent.workflows.accounts import account
from somagent.workflows.identity.document import FOLDER, IdentityRefused, Trust, read_trust


class Person(Struct, frozen=True):
    """Who acts, and on whose word."""

    name: str
    groups: tuple[str, ...] = ()
    issuer: str = ""  # vouches for the name and the groups; empty: nobody does
    token: str = ""  # the token's id (`jti`), when it has one
    aliases: tuple[str, ...] = ()  # what else the token calls the person


def on_whose_word(who: Person) -> dict[str, Any]:
    """What a decision of this person says of the person."""
    known = {"by": who.name, "groups": list(who.groups), "account": account()}
    vouched = {"verified": bool(who.issuer), "issuer": who.issuer, "token": who.token, "aliases": list(who.aliases)}
    return known | vouched


def who_acts(
    directory: Path, *, said: str | None = None, token_file: str | None = None, token: str | None = None
) -> Person:
    """The person; `said` is the name that was given, a token in a file goes before `token`. Raises `IdentityRefused`.

    With tokens configured, the token says who it is. With groups only, it is the account of the operating system. With
    neither it is `said`, else the account, and in no group.
    """
    if said is not None and (fault := name_fault(said)):
        raise IdentityRefused(f"nobody acts under this name: {fault}")
    trust = read_trust(directory)
    token = token_of(token_file, token)
    if trust is None or trust.spec.tokens is UNSET:
        if token is not None:
            where = directory / FOLDER
            raise IdentityRefused(f"there is a token, but nothing in {where} says which tokens are to be trusted")
        if trust is None:
            return Person(said or account())
        if said is not None and person(said) != person(account()):
            raise IdentityRefused(f"{trust.folder} says who is in which group, so you are `{account()}`, not `{said}`")
        return Person(account(), _groups(trust, account()))
    if said is not None:
        raise IdentityRefused(f"who you are is said by your token here, not by `--as` ({trust.folder})")
    if token is None:
        issuer = trust.spec.tokens.issuer
        raise IdentityRefused(f"a token of {issuer} is needed, in $SOMAGENT_TOKEN or in a file (`--token-file FILE`)")
    from somagent.workflows.identity.tokens import verified  # noqa: PLC0415  0.3 s, and of an extra

    claims = verified(token, trust.spec.tokens, trust.keys)
    groups = dict.fromkeys((*claims.groups, *_groups(trust, claims.name)))
    return Person(claims.name, tuple(groups), trust.spec.tokens.issuer, claims.id, claims.aliases)


def token_of(token_file: str | None, token: str | None) -> str | None:
    """The token, that of a file before the other one; raises `IdentityRefused`."""
    return _token_in(token_file) if token_file is not None else (token or "").strip() or None


def _groups(trust: Trust, name: str) -> tuple[str, ...]:
    own = person(name)
    return tuple(group for group, members in trust.spec.groups.items() if own in map(person, members))


def _token_in(file: str) -> str:
    path = Path(file)
    try:
        with path.open(encoding="ascii") as opened:
            found, content = os.fstat(opened.fileno()), opened.read().strip()
    except UnicodeDecodeError:
        raise IdentityRefused(f"{file} holds no token: it is not text in ASCII") from None
    except OSError as error:
        raise IdentityRefused(f"{file} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if found.st_uid not in {0, os.getuid()}:
        raise IdentityRefused(f"{file} belongs to somebody else; a token is taken from a file of your own")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise IdentityRefused(f"others may use {file}, which holds a token; mend it: chmod 600 {file}")
    if not content:
        raise IdentityRefused(f"{file} is empty")
    return content
