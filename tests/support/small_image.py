"""A container image made of this machine's own programs: nothing is fetched."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

IMAGE = "localhost/somagent-test:1"
PROGRAMS = ("bash", "cat", "env", "head", "id", "ls", "mkdir", "sleep", "sort", "touch")


def libraries(program: str) -> set[str]:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"(/\S+) \(0x", listed))


def archive() -> bytes:
    """A root file system with bash, a few programs and what they need."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", dereference=True) as tar:
        needed: set[str] = set()
        for name in PROGRAMS:
            program = shutil.which(name)
            assert program is not None, name
            tar.add(program, f"bin/{name}")
            needed |= libraries(program)
        tar.add(str(shutil.which("bash")), "bin/sh")
        for library in sorted(needed):
            tar.add(library, library.lstrip("/"))
        locale = Path("/usr/lib/locale/C.utf8")
        if locale.exists():
            tar.add(locale, str(locale).lstrip("/"))
    return content.getvalue()
