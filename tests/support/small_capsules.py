"""Capsules that tests of programs run."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

# Without its head: one step that makes a folder of two files, one of them large.
MAKES = """\
  inputs: { word: { type: string } }
  steps:
    made:
      script: { run: 'mkdir f; echo "$WORD" > f/x; seq 20000 > f/y', env: { WORD: "${{ inputs.word }}" } }
      outputs: { f: { type: artifact, path: f } }
  outputs: { f: "${{ steps.made.f }}" }
"""

_SUM = """\
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

_ASKED = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: asked }
spec:
  steps:
    write:
      script: { run: echo words > page.txt; echo wrote it }
      outputs: { page: { type: artifact, path: page.txt } }
    agree:
      needs: [write]
      review: { title: "Publish?" }
      outputs: { level: { type: integer } }
    publish:
      needs: [agree]
      script: { run: 'echo "at=$LEVEL" >> "$SOMAGENT_OUTPUT"', env: { LEVEL: "${{ steps.agree.level }}" } }
      outputs: { at: { type: integer } }
  outputs: { page: "${{ steps.write.page }}", at: "${{ steps.publish.at }}" }
"""

_FAILS = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: fails }
spec:
  inputs: { go: { type: string, default: "no" } }
  steps:
    before: { script: { run: echo begun } }
    pull:
      needs: [before]
      script: { run: 'echo "no such host" >&2; test "$GO" = yes', env: { GO: "${{ inputs.go }}" } }
"""

_HELD = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: held }
spec:
  inputs: { until: { type: string } }
  steps:
    hold:
      script:
        run: 'for _ in $(seq 1500); do test ! -e "$FILE" || break; sleep 0.02; done'
        env: { FILE: "${{ inputs.until }}" }
"""

_FILLING = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: filling }
spec:
  steps:
    list:
      script: { run: 'echo "parts=[$(seq -s , 1 60)]" >> "$SOMAGENT_OUTPUT"' }
      outputs: { parts: { type: array, maxItems: 100, items: { type: integer } } }
    work:
      forEach: "${{ steps.list.parts }}"
      script: { run: echo done }
"""

_WHOLE = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: whole }
spec:
  uses: { capsules: { asked: ./asked.capsule.yaml } }
  steps:
    part: { capsule: { use: asked } }
  outputs: { at: "${{ steps.part.at }}" }
"""


def sum_capsule(folder: Path) -> Path:
    """Adds two numbers."""
    return _written(folder, "sum", _SUM)


def asked_capsule(folder: Path) -> Path:
    """Writes a page, and asks before it goes on."""
    return _written(folder, "asked", _ASKED)


def fails_capsule(folder: Path) -> Path:
    """Fails in its second step."""
    return _written(folder, "fails", _FAILS)


def held_capsule(folder: Path) -> Path:
    """Is at work until a file is there."""
    return _written(folder, "held", _HELD)


def filling_capsule(folder: Path) -> Path:
    """Has so many items that its journal grows beyond 256 KiB."""
    return _written(folder, "filling", _FILLING)


def whole_capsule(folder: Path) -> Path:
    """Has the one that asks as its step `part`."""
    asked_capsule(folder)
    return _written(folder, "whole", _WHOLE)


def _written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.capsule.yaml"
    path.write_text(text)
    return path
