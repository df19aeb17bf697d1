"""A script in a container reaches its values, its files and nothing else, and ends with its step."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from small_image import IMAGE
from somagent_shell import COMMAND

TOKEN = "s3cr3t-'tok\nen"
CAPSULE = f"""  uses:
    secrets: {{ token: {{ secret: git-writer, key: token, grantTo: [work] }} }}
  steps:
    make:
      script: {{ image: "{IMAGE}", run: 'echo made > out.txt' }}
      outputs: {{ out: {{ type: artifact, path: out.txt }} }}
    work:
      script:
        image: {IMAGE}
        run: |
          id -u; cat "$IN"; echo "$TEXT"; echo "$TOKEN"; env | sort | head -3; cat
          touch "$IN" 2>/dev/null || echo "input is read only"
          touch /bin/x 2>/dev/null || echo "root is read only"
          (echo > /dev/tcp/127.0.0.1/9) 2>/dev/null || echo "no server"
          ls /sys/class/net
          ls {{FOLDER}} 2>/dev/null || echo "nothing of the machine"
          echo "length=${{#TOKEN}}" >> "$SOMAGENT_OUTPUT"
        env: {{ IN: "${{{{ steps.make.out }}}}", TEXT: "a 'b'\\n$HOME \\"c\\"", TOKEN: "${{{{ secrets.token }}}}" }}
      outputs: {{ length: {{ type: integer }} }}
  outputs: {{ length: "${{{{ steps.work.length }}}}" }}
"""


def one(script: str, more: str = "", step: str = "") -> str:
    return f"  steps:\n    job:\n{step}      script:\n        image: {IMAGE}\n        run: {script}\n{more}"


def test_a_script_has_its_values_and_files_and_nothing_of_the_machine(somagent, contained, containers):
    kept = somagent.folder / "secrets" / "git-writer" / "token"
    kept.parent.mkdir(parents=True)
    kept.write_text(TOKEN)
    kept.chmod(0o600)
    capsule = somagent.capsule("inside", CAPSULE.replace("{FOLDER}", str(somagent.folder / "secrets")))
    ran = contained("run", capsule, SOMAGENT_SECRETS=str(somagent.folder / "secrets"), MY_SHELL="hunter2")
    assert ran.code == 0, ran.out + ran.err
    assert f"length = {len(TOKEN)}" in ran.out
    log = contained("logs", "last", "work").out.replace("work | ", "")
    inside = ["input is read only", "root is read only", "no server", "lo", "nothing of the machine"]
    assert log.splitlines()[:4] == [str(os.getuid()), "made", "a 'b'", '$HOME "c"']
    assert log.splitlines()[4] == "***"
    assert log.splitlines()[-5:] == inside
    assert "hunter2" not in log
    assert containers() == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("x=x; while true; do x=$x$x$x$x; done", "it used more than 64Mi of memory and was ended"),
        ("head -c 9000000 /dev/zero > big", "it wrote a file of more than 1Mi and was ended"),
    ],
)
def test_limits_hold_inside_as_outside(somagent, contained, containers, script, message):
    limits = "        resources: { memory: 64Mi, fileSize: 1Mi }\n"
    ran = contained("run", somagent.capsule("limited", one(script, limits)))
    assert ran.code == 1
    assert message in ran.out
    assert "job failed: resources" in ran.out
    assert containers() == []


def test_no_more_processes_than_it_may_have_are_there(somagent, contained):
    text = one("for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all", "        resources: { processes: 5 }\n")
    assert contained("run", somagent.capsule("many", text)).code == 1
    assert "\nall" not in contained("logs", "last", "job").out


def test_a_deadline_ends_the_container(somagent, contained, containers):
    started = time.monotonic()
    ran = contained("run", somagent.capsule("late", one("sleep 300", step="      timeout: 2s\n")))
    assert ran.code == 1
    assert "cut off after 2 s" in ran.out
    assert containers() == []
    assert time.monotonic() - started < 20


def test_what_a_killed_engine_left_running_is_ended_by_the_next_one(somagent, engine, contained, containers):
    capsule = somagent.capsule("left", one('if [ "$SOMAGENT_ATTEMPT" = 1 ]; then sleep 300; fi'))
    process = subprocess.Popen(
        [COMMAND, "run", capsule],
        cwd=somagent.folder,
        env=somagent.environment(**engine),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    while not containers() and process.poll() is None:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(containers()) == 1
    ran = contained("resume", "last")
    assert ran.code == 0, ran.out + ran.err
    assert containers() == []


def test_an_image_that_is_not_here_is_told_by_the_engine(somagent, contained):
    text = one("echo hi").replace(IMAGE, "localhost/no-such-image:1")
    ran = contained("run", somagent.capsule("none", text))
    assert ran.code == 1
    assert "no-such-image" in ran.out
    assert "exit code 125" in ran.out


def test_an_engine_that_runs_out_of_memory_loses_its_script_and_goes_on(somagent):
    """The engine and its script in one control group with 200 MiB: the kernel has to end one of the two."""
    group = memory_group(200 << 20)
    text = "  steps:\n    eat:\n      script:\n        shell: python\n        run: |\n"
    text += "          held = []\n          while True: held.append(bytearray(b'x' * 1000000))\n"
    try:
        process = somagent.start("run", somagent.capsule("eat", text))
        (group / "cgroup.procs").write_text(str(process.pid))
        out, err = process.communicate(timeout=60)
    finally:
        time.sleep(0.1)
        group.rmdir()
    assert process.returncode == 1, out + err
    assert "killed by SIGKILL, because this machine ran out of memory" in out
    assert "eat failed: resources" in out


def memory_group(limit: int) -> Path:
    """A control group of the first or second version with no more memory than this; root may make one."""
    for root, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(root) / f"somagent-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / name).exists():
            (group / name).write_text(str(limit))
            return group
        group.rmdir()
    pytest.skip("needs root, and control groups that limit memory")
