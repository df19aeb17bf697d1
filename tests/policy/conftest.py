"""Constitutions written out in the tests that use them."""

from collections.abc import Callable
from typing import Any

import pytest

from somagent.governance.canonical import canonical_json
from somagent.governance.constitution import Constitution, load_constitution
from somagent.governance.documents import Source

Make = Callable[..., Constitution]


@pytest.fixture
def make() -> Make:
    """A constitution with these rules and attributes."""

    def make(rules: list[dict[str, Any]] | None = None, **spec: Any) -> Constitution:
        document = {
            "apiVersion": "somagent.io/v1alpha1",
            "kind": "Constitution",
            "metadata": {"name": "under-test"},
            "spec": {"version": "1.0.0", "rules": rules or [], **spec},
        }
        constitution, diagnostics = load_constitution(Source("test.yaml", canonical_json(document).decode()))
        assert diagnostics == []
        assert constitution is not None
        return constitution

    return make
