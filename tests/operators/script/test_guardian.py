"""What a process leaves behind that is killed beside its guardian."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import os, signal, sys
from pathlib import Path
from somagent.operators.script.guardian import Guardian

folder = Path(sys.argv[1])
Guardian(folder)
copy = folder / "contents" / "copies" / "tree"
copy.mkdir(parents=True)
(copy / "big").write_bytes(b"x")
(copy / "big").chmod(0o444)
copy.chmod(0o555)
os.kill(os.getpid(), signal.SIGKILL)
"""
_OF_ROOT = "--bounding-set=-dac_override,-dac_read_search,-fowner"  # what lets it write to what nobody may write to


def test_a_guardian_removes_what_nobody_may_write_to_as_well(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    as_anybody = ["setpriv", _OF_ROOT] if os.geteuid() == 0 else []
    killed = subprocess.run([*as_anybody, sys.executable, "-c", PROGRAM, str(folder)], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    until = time.monotonic() + 20
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not folder.exists()
