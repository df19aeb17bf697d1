"""A real container engine, and an image made of this machine's own programs: nothing is fetched."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_image import IMAGE, archive
from somagent_shell import Ended, Shell

# Where limits cannot be raised (as in some virtual machines), podman's defaults are refused; with the old and the new
# control groups side by side, crun is.
SETTINGS = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
RUNC = '[engine]\nruntime = "runc"\n'


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables with which SomaGent, and the engine itself, are run."""
    program = shutil.which("podman") or shutil.which("docker")
    if program is None:
        pytest.skip("needs podman or docker (apt-get install podman)")
    settings = tmp_path_factory.mktemp("engine") / "containers.conf"
    settings.write_text(SETTINGS + (RUNC if shutil.which("runc") else ""))
    environment = {"SOMAGENT_ISOLATION": Path(program).name, "CONTAINERS_CONF": str(settings)}
    done = subprocess.run([program, "import", "-", IMAGE], input=archive(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    yield environment
    subprocess.run([program, "rmi", "--force", IMAGE], capture_output=True, check=False)


@pytest.fixture
def contained(somagent: Shell, engine: dict[str, str]) -> Callable[..., Ended]:
    """Runs a command with scripts in containers."""
    return lambda *arguments, **more: somagent(*arguments, **{**engine, **more})


@pytest.fixture
def containers(engine: dict[str, str]) -> Callable[[], list[str]]:
    """The step's key of each container that there is, running or not."""
    form = (
        '{{index .Labels "io.somagent.key"}}'
        if engine["SOMAGENT_ISOLATION"] == "podman"
        else ('{{.Label "io.somagent.key"}}')
    )

    def ask() -> list[str]:
        command = [engine["SOMAGENT_ISOLATION"], "ps", "--all", "--filter=label=io.somagent.key", f"--format={form}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    return ask
