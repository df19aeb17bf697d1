"""A script in a container beside the runner's: here processes of a world of their own, started as in a pod."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from somagent_shell import Ended, Shell

from somagent.operators.script.beside import BEGINS_WITHIN, LAUNCHER, NONE, VARIABLE

Wait = Callable[[Callable[[], bool]], None]
WORLD = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]


class Pod:
    """The command, and a container beside it for one script."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.pipes = shell, shell.folder / "pipes"
        launcher = LAUNCHER.replace("FOLDER", str(self.pipes))
        first = '/bin/sh -c "$1"; exit $?'  # in a pod it is Argo's program that comes first
        self.other = subprocess.Popen([*WORLD, "/bin/sh", "-c", first, "sh", launcher], stdin=subprocess.DEVNULL)

    def run(self, script: str, step: str = "", spec: str = "", **environment: str) -> Ended:
        text = f"{spec}  steps:\n    job:\n{step}      script:\n        image: any\n{script}"
        capsule = self.shell.capsule("beside", text)
        return self.shell("run", capsule, **{VARIABLE: str(self.pipes)}, **environment)

    def log(self) -> str:
        return self.shell("logs", "last").out.replace("job | ", "")


@pytest.fixture
def pod(somagent: Shell) -> Iterator[Pod]:
    if subprocess.run([*WORLD, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs user namespaces: sysctl kernel.unprivileged_userns_clone=1")
    made = Pod(somagent)
    yield made
    made.other.kill()
    made.other.wait()


def kept(folder: Path, value: str) -> str:
    path = folder / "secrets" / "git-writer" / "token"
    path.parent.mkdir(parents=True)
    path.write_text(value)
    path.chmod(0o600)
    return str(folder / "secrets")


def test_it_has_its_values_its_folder_and_its_own_processes_and_answers(pod: Pod) -> None:
    secrets = kept(pod.shell.folder, "s3cr3t-'tok\nen")
    done = pod.run(
        """\
        run: |
          echo "$TEXT"; echo "$TOKEN"; echo oh >&2; cat; echo a > made.txt
          echo "length=${#TOKEN}" >> "$SOMAGENT_OUTPUT"
        env: { TEXT: "a 'b'\\n$HOME \\"c\\"", TOKEN: "${{ secrets.token }}" }
      outputs: { length: { type: integer }, made: { type: artifact, path: made.txt } }
  outputs: { length: "${{ steps.job.length }}" }
""",
        spec="  uses:\n    secrets: { token: { secret: git-writer, key: token, grantTo: [job] } }\n",
        SOMAGENT_SECRETS=secrets,
    )
    assert done.code == 0, done.out + done.err
    assert "length = 14" in done.out
    lines = pod.log().splitlines()
    assert lines.index('$HOME "c"') == lines.index("a 'b'") + 1
    assert {"***", "oh"} <= set(lines)
    assert "s3cr3t" not in pod.log()
    assert pod.other.wait(10) == 0
    assert [path for path in pod.shell.folder.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()] == [
        Path(secrets) / "git-writer" / "token"
    ]


def test_its_exit_code_and_last_words_are_the_steps(pod: Pod) -> None:
    done = pod.run("        run: |\n          echo no such host >&2; exit 3\n")
    assert done.code == 1
    assert "exit code 3: no such host" in done.out + done.err


def test_what_it_leaves_in_the_background_ends_with_it(pod: Pod) -> None:
    start = time.monotonic()
    assert pod.run("        run: sleep 100 & echo done\n").code == 0
    assert time.monotonic() - start < 30
    assert pod.other.wait(10) == 0


@pytest.mark.parametrize(
    ("resources", "failure"),
    [("", ("error", "")), ("resources: { memory: 64Mi }", ("resources", "; it may use 64Mi of memory, in all"))],
)
def test_that_its_container_ended_as_a_whole_is_noticed_at_once(
    pod: Pod, wait_until: Wait, resources: str, failure: tuple[str, str]
) -> None:
    ready = pod.shell.folder / "ready"

    def end() -> None:
        wait_until(ready.exists)
        pod.other.kill()

    with ThreadPoolExecutor() as beside:
        ended = beside.submit(end)
        run = f"        run: echo nearly; touch {ready}; sleep 100\n"
        done = pod.run(f"        {resources}\n{run}" if resources else run, "      timeout: 20s\n")
        ended.result()
    assert done.code == 1
    failed = pod.shell("show", "last", "--output", "json").json["steps"]["job"]["failure"]
    what, more = failure
    assert failed["class"] == what
    assert failed["message"] == f"the container of the script's image ended before the script had{more}"
    assert "nearly" in pod.log()


def test_a_container_that_never_begins_is_waited_for_so_long_and_no_longer(pod: Pod) -> None:
    pod.other.kill()
    done = pod.run("        run: echo hello\n", "      timeout: 20s\n", **{BEGINS_WITHIN: "0.5"})
    assert done.code == 1
    assert "image did not begin within 0.5 s; the image must be there by then, and needs /bin/sh" in done.out + done.err


def test_its_deadline_ends_all_of_it(pod: Pod) -> None:
    done = pod.run("        run: sleep 100 & sleep 100\n", "      timeout: 1s\n")
    assert done.code == 1
    assert "cut off after 1 s" in done.out + done.err
    assert pod.other.wait(10) != 0


def test_a_pod_that_has_no_such_container_runs_no_script_of_another_image(somagent: Shell) -> None:
    capsule = somagent.capsule("beside", "  steps: { job: { script: { image: any, run: echo never } } }\n")
    done = somagent("run", capsule, **{VARIABLE: NONE})
    assert "the script names an image, and this pod has no container of it" in done.out + done.err
    assert somagent("logs", "last").out == ""
