"""Whatever a script does with a secret, in any of the forms that are looked for, no file that its run leaves has it."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from somagent_shell import Shell

LETTERS = 'abcdefXYZ0189-_/+%"\\ü€ \n'
WAYS = ["fine", "output", "malformed", "not json", "file", "name", "link", "failure"]
WINDOW = 8  # bytes of a form in a row that may be found nowhere

PROGRAM = """
import base64, json, os, random, sys, time
from pathlib import Path
from urllib.parse import quote

token, way = os.environ["TOKEN"], os.environ["WAY"]
chance = random.Random(os.environ["SEED"] + os.environ["SOMAGENT_ATTEMPT"])
raw = token.encode()
forms = [
    token,
    json.dumps({"token": token}),
    json.dumps(token, ensure_ascii=False),
    quote(token, safe=""),
    raw.hex(),
    base64.b64encode(raw).decode(),
    base64.urlsafe_b64encode(b"ana:" + raw).decode(),
    base64.encodebytes(b"a user:" + raw + b" and more").decode(),
]
chance.shuffle(forms)
for form in forms:
    stream = chance.choice((sys.stdout, sys.stderr)).buffer
    text = f"before {form} after\\n".encode()
    at = 0
    while at < len(text):
        size = chance.randrange(1, 40)
        stream.write(text[at : at + size])
        stream.flush()
        at += size
        if not chance.randrange(20):
            time.sleep(0.001)
form = chance.choice(forms)
output = Path(os.environ["SOMAGENT_OUTPUT"])
Path("out").mkdir()
Path("out/file").write_text("nothing")
if way == "output":
    output.write_text(f"said<<THE_END\\n{form}\\nTHE_END\\n")
elif way == "malformed":
    output.write_text(form)
elif way == "not json":
    output.write_text(f"count={quote(token)}\\n")
elif way == "file":
    Path("out/file").write_text("x" * 100_000 + form)
elif way == "name":
    Path("out", raw.hex()[:200]).touch()
elif way == "link":
    Path("out/link").symlink_to(token.replace("/", "_")[:200] if "/" not in token else token)
elif way == "failure":
    sys.exit(f"cannot log in with {form}")
if way == "fine":
    output.write_text("count=1\\n")
"""

CAPSULE = """  uses:
    secrets: { token: { secret: git-writer, key: token, grantTo: [push] } }
  steps:
    push:
      forEach: ${{ WAYS }}
      as: way
      onItemFailure: collect
      retry: { attempts: 2, backoff: 1ms, failures: [error, invalid_output] }
      script:
        shell: python
        run: |
PROGRAM
        env: { TOKEN: "${{ secrets.token }}", WAY: "${{ way }}", SEED: "NUMBER" }
      outputs: { count: { type: integer }, out: { type: artifact, path: out } }
  outputs:
    denied: "${{ size(steps.push.filter(i, has(i.error) && i.error.class == 'denied')) }}"
    well: "${{ size(steps.push.filter(i, !has(i.error))) }}"
"""


def needles(value: str) -> set[bytes]:
    """Every few bytes in a row of each form of the value."""
    raw = value.encode()
    forms = [raw, json.dumps(value)[1:-1].encode(), quote(value, safe="").encode(), raw.hex().encode()]
    for before in range(3):
        forms.append(base64.b64encode(bytes(before) + raw)[3:-4])
        forms.append(base64.urlsafe_b64encode(bytes(before) + raw)[3:-4])
    return {form[at : at + WINDOW] for form in forms for at in range(len(form) - WINDOW + 1)}


def left(folder: Path, needles: set[bytes]) -> Iterator[str]:
    for path in folder.rglob("*"):
        texts = [str(path).encode()]
        if path.is_symlink():
            texts.append(str(path.readlink()).encode())
        elif path.is_file():
            texts.append(path.read_bytes())
        for needle in needles:
            if any(needle in text for text in texts):
                yield f"{path}: {needle!r}"


@pytest.mark.parametrize("seed", [1, 2])
def test_no_file_that_a_run_leaves_has_a_value(somagent: Shell, seed: int) -> None:
    chance = random.Random(seed)
    value = "".join(chance.choices(LETTERS, k=(20, 150)[seed % 2])).strip() + "end"
    kept = somagent.folder / "secrets" / "git-writer" / "token"
    kept.parent.mkdir(parents=True)
    kept.write_text(value)
    kept.chmod(0o600)
    program = "\n".join(" " * 10 + line for line in PROGRAM.strip().splitlines())
    text = CAPSULE.replace("PROGRAM", program).replace("WAYS", str(WAYS)).replace("NUMBER", str(seed))
    ran = somagent("run", somagent.capsule("push", text), SOMAGENT_SECRETS=str(somagent.folder / "secrets"))
    assert ran.code == 0, ran.out + ran.err
    assert "denied = 6\nwell = 1\n" in ran.out
    printed = somagent.folder / "printed"
    printed.mkdir()
    (printed / "all").write_text(ran.out + ran.err + somagent("logs", "last").out)
    somagent("report", "last", "--to", str(printed / "report.html"))
    assert (printed / "all").read_text().count("***") > 50
    looked_for = needles(value)
    assert [*left(somagent.folder / ".somagent", looked_for), *left(printed, looked_for)] == []
    assert list(left(somagent.folder / "secrets", looked_for)) != []
