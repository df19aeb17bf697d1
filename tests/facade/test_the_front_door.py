"""What `import somagent` offers, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

import somagent

CAPSULE = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: sum }
spec:
  inputs: { left: { type: integer }, right: { type: integer, default: 2 } }
  steps:
    add:
      script: { run: 'echo "sum=$SUM" >> "$SOMAGENT_OUTPUT"', env: { SUM: "${{ inputs.left + inputs.right }}" } }
      outputs: { sum: { type: integer } }
  outputs: { sum: "${{ steps.add.sum }}" }
"""


def test_a_program_runs_a_capsule_in_one_call(tmp_path: Path) -> None:
    path = tmp_path / "sum.capsule.yaml"
    path.write_text(CAPSULE)
    view = somagent.run(path, {"left": 40}, data_dir=tmp_path / "runs", submitter="ann")
    assert (view.phase, view.outputs, view.run.submitter) == ("Succeeded", {"sum": 42}, "ann")


def test_mistakes_come_as_one_exception_that_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "sum.capsule.yaml"
    path.write_text(CAPSULE.replace("inputs.left", "inputs.lft"))
    with pytest.raises(somagent.CapsuleRefused, match="did you mean `left`"):
        somagent.run(path, {"left": 40}, data_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_everything_that_is_promised_is_there() -> None:
    assert all(hasattr(somagent, name) for name in somagent.__all__)
    assert not hasattr(somagent, "nothing")


def test_importing_the_package_alone_loads_no_part() -> None:
    program = "import sys, somagent; print([name for name in sys.modules if name.startswith('somagent.')])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"
