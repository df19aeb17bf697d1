"""Secrets: their names travel, their values never do.

Inside a run a secret is a `Secret`, the name of a value that is kept outside. It is read at the last moment, by the one
operator that was granted it, and never becomes part of arguments, records, digests, logs or outputs. What a process
prints is searched for the values that it was given (`masking`), and an output that holds one is refused.

A value comes from a variable of the environment, else from the program that SOMAGENT_SECRETS_COMMAND names, else from a
file: `SECRET/KEY` below a folder, as Kubernetes mounts them into pods.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from somagent.capsule_compiler.plan import Node, Plan
from somagent.operators.operator import StepFailure
from somagent.operators.runner.records import RunRecord, Secret

VARIABLE = "SOMAGENT_SECRETS"
COMMAND = "SOMAGENT_SECRETS_COMMAND"
MAX_BYTES = 65_536
_PATIENCE_S = 30.0
_FORM = re.compile(r"(?P<secret>[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)/(?P<key>[-._a-zA-Z0-9]{1,253})")


class SecretMissing(Exception):
    """The value of a secret cannot be had; the message says why and what to do, never the value."""


def secrets_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder named by SOMAGENT_SECRETS, else `somagent/secrets` below the user's configuration."""
    named = environment.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    home = environment.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "somagent" / "secrets"


def secret_named(text: object) -> Secret | None:
    """The secret that `SECRET/KEY` names; None for anything else."""
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None or match["key"].strip(".") == "":
        return None
    return Secret(secret=match["secret"], key=match["key"])


def variable_of(secret: Secret) -> str:
    """The variable that a secret's value may be in: `SOMAGENT_SECRET_GIT_WRITER__TOKEN` for `git-writer/token`."""
    name, key = (re.sub("[^A-Za-z0-9]", "_", part).upper() for part in (secret.secret, secret.key))
    return f"SOMAGENT_SECRET_{name}__{key}"


def read_secret(secret: Secret, folder: Path | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """The value; one line break at its end is not part of it. Raises `SecretMissing`."""
    what = f"secret `{secret.secret}/{secret.key}`"
    if (given := environment.get(variable_of(secret))) is not None:
        return _value(os.fsencode(given), what, f"${variable_of(secret)}")
    if command := environment.get(COMMAND):
        return _value(_provided(secret, command, what), what, f"what ${COMMAND} printed")
    path = (folder or secrets_folder(environment)) / secret.secret / secret.key
    return _value(_kept(path, what), what, str(path))


def _kept(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SecretMissing(f"{what}: others can read {path}; take that away with `chmod 600`")
            if status.st_uid not in {0, os.geteuid()}:
                raise SecretMissing(f"{what}: {path} belongs to another account, which can read and change it")
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SecretMissing(f"{what} is not here: write its value to {path} (mode 600)") from None
    except OSError as fault:
        raise SecretMissing(f"{what}: {path} cannot be read ({fault.strerror})") from None


def _provided(secret: Secret, command: str, what: str) -> bytes:
    """What the user's own program prints for the secret; what it complains about may hold values, and is not shown."""
    try:
        argv = [*shlex.split(command), f"{secret.secret}/{secret.key}"]
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            start_new_session=True,
            check=False,
        )
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise SecretMissing(f"{what}: ${COMMAND} cannot be started ({reason})") from None
    except subprocess.TimeoutExpired:
        raise SecretMissing(f"{what}: ${COMMAND} did not answer within {_PATIENCE_S:g} s") from None
    if done.returncode != 0:
        raise SecretMissing(f"{what}: ${COMMAND} ended with exit code {done.returncode} for it")
    return done.stdout


def _value(content: bytes, what: str, where: str) -> str:
    if len(content) > MAX_BYTES:
        raise SecretMissing(f"{what}: {where} has more than {MAX_BYTES:,} bytes")
    try:
        value = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretMissing(f"{what}: {where} is not UTF-8 text") from None
    if not value or "\0" in value:
        raise SecretMissing(f"{what}: {where} {'holds a NUL character' if value else 'is empty'}")
    return value


def missing_secrets(plan: Plan, inputs: Mapping[str, Any]) -> list[str]:
    """Why a run could not have the secrets that it would need, one sentence each, before it is started."""
    wanted = [Secret(secret=use.secret, key=use.key) for use in plan.secrets.values()]
    named = [secret_named(inputs.get(name)) for name, schema in plan.inputs.items() if schema.get("type") == "secret"]
    found: dict[str, None] = {}
    for secret in (*wanted, *(one for one in named if one is not None)):
        try:
            read_secret(secret)
        except SecretMissing as fault:
            found[str(fault)] = None
    return list(found)


def granted_secrets(node: Node, plan: Plan, run: RunRecord) -> list[Secret]:
    """The secrets that the compiler found to be granted to a node, which names them as expressions do."""
    found = []
    for name in node.secrets:
        source, _, member = name.partition(".")
        if source == "secrets" and member in plan.secrets:
            use = plan.secrets[member]
            found.append(Secret(secret=use.secret, key=use.key))
        elif source == "inputs" and (named := secret_named(run.inputs.get(member))) is not None:
            found.append(named)
    return found


class Vault:
    """What one step may read: the secrets that it was granted, and no other."""

    def __init__(self, granted: Iterable[Secret], read: Callable[[Secret], str] = read_secret) -> None:
        self._granted = frozenset(granted)
        self._read = read

    def value(self, secret: Secret) -> str:
        """The value of a granted secret; raises `StepFailure`."""
        if secret not in self._granted:
            raise StepFailure("denied", f"secret `{secret.secret}/{secret.key}` was not granted to this step")
        try:
            return self._read(secret)
        except SecretMissing as fault:
            raise StepFailure("error", str(fault)) from None
