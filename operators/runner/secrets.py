"""Secrets: their names travel, their values never do.

Inside a run a secret is a `Secret`, the name of a value that is kept outside. It is read at the last moment, by the one
operator that was granted it, and never becomes part of arguments, records, digests, logs or outputs. What a process
prints is searched for the values that it was given (`Mask`), and an output that holds one is refused.

On this machine secrets are files: `SECRET/KEY` below a folder, as Kubernetes mounts them into pods.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from somagent.capsule_compiler.plan import Node, Plan
from somagent.operators.operator import StepFailure
from somagent.operators.runner.records import RunRecord, Secret

MASK = b"***"
VARIABLE = "SOMAGENT_SECRETS"
MAX_BYTES = 65_536
_LEAST_LINE = 4  # characters of a line of a secret that is looked for by itself
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


def read_secret(secret: Secret, folder: Path | None = None) -> str:
    """The value; one line break at the end of the file is not part of it. Raises `SecretMissing`."""
    path = (folder or secrets_folder()) / secret.secret / secret.key
    what = f"secret `{secret.secret}/{secret.key}`"
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SecretMissing(f"{what}: others can read {path}; take that away with `chmod 600`")
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SecretMissing(f"{what} is not here: write its value to {path} (mode 600)") from None
    except OSError as fault:
        raise SecretMissing(f"{what}: {path} cannot be read ({fault.strerror})") from None
    if len(content) > MAX_BYTES:
        raise SecretMissing(f"{what}: {path} has more than {MAX_BYTES:,} bytes")
    try:
        value = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretMissing(f"{what}: {path} is not UTF-8 text") from None
    if not value or "\0" in value:
        raise SecretMissing(f"{what}: {path} {'holds a NUL character' if value else 'is empty'}")
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


class Mask:
    """Takes the values of secrets out of a stream of bytes, also where a value is cut by the end of a chunk.

    Looked for are each value, its lines of four characters and more, and both as JSON writes them.
    """

    def __init__(self, values: Iterable[str]) -> None:
        words = {form for value in values for form in _forms(value)}
        self._words = sorted(words, key=len, reverse=True)  # the longest first, so that none is cut by its own part
        self._pattern = re.compile(b"|".join(map(re.escape, self._words))) if self._words else None
        self._held = b""

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return self._pattern is not None

    def feed(self, chunk: bytes) -> bytes:
        """What can be let out by now."""
        if self._pattern is None:
            return chunk
        content = self._pattern.sub(MASK, self._held + chunk)
        longest = min(len(self._words[0]) - 1, len(content))
        keep = next((length for length in range(longest, 0, -1) if self._starts(content, length)), 0)
        self._held = content[len(content) - keep :]
        return content[: len(content) - keep]

    def end(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, b""
        return held

    def whole(self, text: str) -> str:
        """A text without the values."""
        if self._pattern is None:
            return text
        return self._pattern.sub(MASK, text.encode(errors="surrogatepass")).decode(errors="replace")

    def finds(self, content: bytes) -> bool:
        """Whether a value is in the content."""
        return self._pattern is not None and self._pattern.search(content) is not None

    def _starts(self, content: bytes, length: int) -> bool:
        tail = content[len(content) - length :]
        return any(len(word) > length and word.startswith(tail) for word in self._words)


def _forms(value: str) -> Iterable[bytes]:
    lines = [line for line in value.splitlines() if len(line) >= _LEAST_LINE]
    for text in (value, *lines):
        yield text.encode()
        yield json.dumps(text)[1:-1].encode()
        yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
