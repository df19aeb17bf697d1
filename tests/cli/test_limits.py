"""`limits.yaml` of a data directory, as people write it."""

from itertools import pairwise

from somagent_shell import Shell

SPEC = """\
  steps:
    each:
      forEach: "${{ [1, 2, 3] }}"
      script: { run: 'date +%s%N; sleep 0.1; date +%s%N' }
"""
LIMITS = """\
apiVersion: somagent.io/v1alpha1
kind: Limits
spec:
  capsules: { nightly: { maxRuns: 1 } }
  operators:
    script: { maxParallel: 1, perMinute: 600, tokensPerMinute: 1.5M }
  tools: { acme/notify: { perMinute: 30 } }
"""


def test_a_run_keeps_to_the_limits_of_its_data_directory(somagent: Shell) -> None:
    somagent.write(".somagent/limits.yaml", LIMITS)
    name = somagent.capsule("each", SPEC)
    assert somagent("run", name).code == 0
    times = [int(line.split(" | ")[1]) for line in somagent("logs", "last").out.splitlines()]
    spans = sorted(zip(times[::2], times[1::2], strict=True))
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


RIVALS = """\
  steps:
    build: { script: { run: 'for _ in $(seq 600); do [ ! -e GO ] || break; sleep 0.05; done' } }
    test: { script: { run: 'true' } }
    then: { needs: [test], script: { run: 'true' } }
"""


def test_without_a_terminal_it_is_said_once_what_a_step_waits_for(somagent: Shell) -> None:
    somagent.write(".somagent/limits.yaml", LIMITS)
    go = somagent.folder / "go"
    process = somagent.start("run", somagent.capsule("rivals", RIVALS.replace("GO", str(go))))
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    assert lines[1].split(maxsplit=1)[1] == "· test   Pending  waits for operators.script, which build has\n"
    go.touch()
    rest, _ = process.communicate(timeout=30)
    assert (process.returncode, "waits for" in rest) == (0, False)


def test_a_mistake_in_the_limits_is_said_before_anything_runs(somagent: Shell) -> None:
    somagent.write(".somagent/limits.yaml", LIMITS.replace("maxParallel: 1", "maxParalel: 1"))
    refused = somagent("run", somagent.capsule("each", SPEC))
    assert refused.code == 2
    assert "limits.yaml:6:15" in refused.err
    assert "did you mean `maxParallel`?" in refused.err
    assert somagent("runs").code == 0
    somagent.write(".somagent/limits.yaml", LIMITS.replace("maxParallel: 1", "maxParallel: 0"))
    assert "limits.yaml:6:28" in somagent("run", "each.capsule.yaml").err


def test_a_limit_of_an_operator_that_is_not_here_is_doubted(somagent: Shell) -> None:
    somagent.write(".somagent/limits.yaml", LIMITS.replace("script:", "scrip:"))
    doubted = somagent("run", somagent.capsule("each", SPEC))
    assert doubted.code == 0
    assert doubted.err == (
        "warning: limits.yaml limits the operator `scrip`, which is not installed here; did you mean `script`?\n"
    )
