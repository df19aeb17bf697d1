"""Data directories that trust an identity provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from provider import HEAD, TOKENS, public


@pytest.fixture
def trusting(tmp_path: Path) -> Callable[..., Path]:
    """A data directory with this `spec` and these key files."""

    def make(spec: str = TOKENS, **keys: bytes) -> Path:
        folder = tmp_path / ".somagent" / "identity"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "identity.yaml").write_text(HEAD + spec)
        for name, content in (keys or {"login.pem": public("ed25519")}).items():
            (folder / name).write_bytes(content)
        return tmp_path / ".somagent"

    return make
