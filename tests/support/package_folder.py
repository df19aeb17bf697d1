"""A folder of packages for tests: written as a user's is, and read by the code that reads a user's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

POLICY = """\
apiVersion: somagent.io/v1alpha1
kind: Constitution
metadata: { name: release }
spec:
  version: 1.0.0
  input: { coverage: { type: number } }
  rules:
    - { id: enough, effect: allow, when: input.coverage >= 0.7, because: enough is tested }
"""


class Packages:
    """Packages below `root`, as `NAMESPACE/NAME/VERSION/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        package: str,
        version: str,
        /,
        *,
        provides: str = "policy",
        content: str = POLICY,
        requires: Mapping[str, str] | None = None,
        **more: str,
    ) -> Path:
        """Writes a version and returns its folder; `more` are lines of `package.yaml` by field."""
        folder = self.root / package / version
        folder.mkdir(parents=True, exist_ok=True)
        fields = {"package": package, "version": version, "provides": provides, "file": "it.yaml", **more}
        lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items() if value]
        lines += [f"requires: {json.dumps(dict(requires))}"] if requires else []
        head = "apiVersion: somagent.io/v1alpha1\nkind: Package\n"
        (folder / "package.yaml").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
        (folder / "it.yaml").write_text(content, encoding="utf-8")
        return folder
