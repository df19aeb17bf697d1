"""What a notebook's cells show, in a notebook that a real kernel has run."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from small_capsules import asked_capsule, fails_capsule

CELLS = (
    "import somagent\ncapsule = somagent.compile('asked.capsule.yaml')\ncapsule",
    "somagent.run(capsule, data_dir='runs')",
    "run = await somagent.start('fails.capsule.yaml', data_dir='runs')\nkinds = [one.kind async for one in run]\nrun",
    "print(kinds[-1])\nawait run.result()",
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each cell shows, by type."""
    folder = tmp_path_factory.mktemp("notebook")
    asked_capsule(folder), fails_capsule(folder)
    cells = [{"cell_type": "code", "id": f"c{number}", "source": text} for number, text in enumerate(CELLS)]
    empty = {"metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": [cell | empty for cell in cells]}
    path = folder / "look.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    execute = Path(sys.executable).with_name("jupyter-execute")
    done = subprocess.run([execute, path.name, "--inplace"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outputs = [cell["outputs"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    return [{kind: "".join(text) for kind, text in cell[-1]["data"].items()} for cell in outputs]


def drawn(html: str) -> str:
    """The texts in the image that the HTML holds."""
    image = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    assert image is not None
    svg = base64.b64decode(image[1]).decode()
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    return " ".join(text.strip() for text in ElementTree.fromstring(svg).itertext() if text.strip())


def test_a_capsule_is_shown_as_its_graph(shown: list[dict[str, Any]]) -> None:
    assert shown[0]["text/plain"] == "<Capsule asked: 3 steps>"
    assert "asked: 3 steps" in shown[0]["text/html"]
    assert "agree" in drawn(shown[0]["text/html"])
    assert ElementTree.fromstring(shown[0]["image/svg+xml"]).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_run_that_waits_is_shown_with_what_people_are_asked(shown: list[dict[str, Any]]) -> None:
    assert re.search("asked r-[^<]+: Waiting", shown[1]["text/html"])
    assert "agree: Publish?" in shown[1]["text/html"]
    assert "3 steps (1 Succeeded, 1 Waiting, 1 Pending)" in drawn(shown[1]["text/html"])


def test_a_run_that_failed_is_shown_with_the_reason(shown: list[dict[str, Any]]) -> None:
    assert "1 Succeeded, 1 Failed" in drawn(shown[2]["text/html"])
    assert shown[3]["text/plain"].startswith("<Result fails r-")
    assert "pull failed: error" in shown[3]["text/html"]
    assert "| no such host" in shown[3]["text/html"]


def test_nothing_that_is_shown_can_reach_the_page(shown: list[dict[str, Any]]) -> None:
    for one in shown:
        assert set(re.findall(r"<(\w+)", one["text/html"])) <= {"div", "p", "bdi", "code", "pre", "img"}
