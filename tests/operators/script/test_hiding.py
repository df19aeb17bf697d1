"""What SomaGent was started with stays with SomaGent: a script cannot read it out of the process of its parent."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc and prctl")

READER = """
  steps:
    look: { script: { run: "tr '\\\\0' '\\\\n' < /proc/$PPID/environ; echo looked" } }
"""

ITSELF = """
import ctypes, os, subprocess
from somagent.operators.script.hiding import hide_environment
os.environ["LATER"] = "set later"
print(hide_environment())
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
print(os.environ["MY_SECRET"], libc.getenv(b"MY_SECRET").decode(), libc.getenv(b"LATER").decode())
print(subprocess.run(["/bin/sh", "-c", "echo $MY_SECRET $LATER"], capture_output=True, text=True).stdout, end="")
print(libc.prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""


def test_a_script_does_not_find_the_environment_of_the_process_that_runs_it(somagent):
    ran = somagent(
        "run", somagent.capsule("look", READER.lstrip("\n")), MY_SECRET="hunter2", SOMAGENT_SECRET_A__B="hunter2"
    )
    assert ran.code == 0, ran.err
    kept = {path: path.read_bytes() for path in somagent.folder.rglob("*") if path.is_file()}
    assert any(b"looked\n" in content for content in kept.values())
    assert not [path for path, content in kept.items() if b"hunter2" in content]


def test_the_process_itself_and_its_children_keep_their_environment_when_it_is_hidden():
    environment = {**os.environ, "MY_SECRET": "hunter2"}
    ran = subprocess.run([sys.executable, "-c", ITSELF], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["True", "hunter2 hunter2 set later", "hunter2 set later", "0"]


def test_a_run_inside_a_script_is_still_found_by_the_marks_of_that_script(alive):
    code = "import sys; from somagent.operators.script.hiding import hide_environment; hide_environment(); print(); "
    marks = {"SOMAGENT_IDEMPOTENCY_KEY": "hidden/but-found", "MY_SECRET": "hunter2-is-wiped"}  # repo-health: allow
    environment = {**os.environ, **marks}
    with subprocess.Popen(
        [sys.executable, "-c", code + "sys.stdout.flush(); sys.stdin.read()"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline()
        if os.getuid() == 0:  # the marks of a process of another engine are for root only, by the same lock
            assert alive("SOMAGENT_IDEMPOTENCY_KEY=hidden/but-found")
        assert not alive("hunter2-is-wiped")
        process.stdin.close()
