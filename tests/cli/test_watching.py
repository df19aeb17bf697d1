"""A run seen from another terminal: `show --watch`, `logs --follow`."""

import json
from collections.abc import Callable

from somagent_shell import Shell

Wait = Callable[[Callable[[], bool]], None]

SPEC = """\
  steps:
    count:
      script:
        run: |
          echo one
          for _ in $(seq 600); do test ! -e "$GO" || break; sleep 0.05; done
          echo two; printf end
        env: { GO: @ }
    inner: { capsule: { use: more } }
    bad: { needs: [count, inner], script: { run: 'exit 3' } }
"""


def test_a_run_is_followed_from_other_terminals(somagent: Shell, wait_until: Wait) -> None:
    go = somagent.folder / "go"
    somagent.capsule("more", "  steps:\n    each: { forEach: '${{ [1, 2] }}', script: { run: echo hello } }\n")
    uses = "  uses: { capsules: { more: ./more.capsule.yaml } }\n"
    name = somagent.capsule("long", uses + SPEC.replace("@", str(go)))
    working = somagent.start("run", name)
    wait_until(lambda: "one" in somagent("logs", "last").out)
    watching = somagent.start("show", "last", "--watch")
    lines = somagent.start("logs", "last", "--follow")
    objects = somagent.start("logs", "last", "count", "--follow", "--output", "json")
    assert lines.stdout is not None
    assert watching.stdout is not None
    first = [lines.stdout.readline() for _ in range(3)]
    assert sorted(first) == ["count | one\n", "inner/each/0 | hello\n", "inner/each/1 | hello\n"]
    assert watching.stdout.readline().startswith("long r-")
    go.touch()
    rest, complaint = lines.communicate(timeout=30)
    assert (rest, complaint, lines.returncode) == ("count | two\ncount | end\n", "", 0)
    seen, _ = watching.communicate(timeout=30)
    assert watching.returncode == 1, "the exit code is the run's"
    assert "  ✗ bad" in seen
    assert "✗ bad failed: error" in seen
    texts = [json.loads(line) for line in objects.communicate(timeout=30)[0].splitlines()]
    assert {one["step"] for one in texts} == {"count"}
    assert "".join(one["text"] for one in texts) == "one\ntwo\nend"
    working.communicate(timeout=30)


def test_nothing_is_waited_for_where_nobody_works(somagent: Shell) -> None:
    name = somagent.capsule("done", "  steps: { a: { script: { run: echo hi } } }\n")
    somagent("run", name)
    shown, logs = somagent("show", "--watch"), somagent("logs", "--follow")
    assert (shown.code, logs.code, logs.out, logs.err) == (0, 0, "a | hi\n", "")
    submitted = somagent("run", name, "--detach")
    assert submitted.code == 0
    shown, logs = somagent("show", "--watch"), somagent("logs", "--follow")
    assert "go on: somagent resume" in shown.out
    assert (logs.out, logs.err.partition(" r-")[0]) == ("", "nobody works on")
