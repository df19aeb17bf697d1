"""What `show` says first of a run that failed: the step, what it was given, the last that it wrote, the way on."""

from somagent_shell import Shell

SPEC = """\
  inputs: { sizes: { type: array, maxItems: 3, items: { type: integer }, default: [1, 5, 7] } }
  steps:
    look: { script: { run: 'seq 3 > f' }, outputs: { f: { type: artifact, path: f } } }
    weigh:
      forEach: ${{ inputs.sizes }}
      as: size
      script:
        run: |
          seq 1 30
          test "$SIZE" -lt 5
        env: { SIZE: "${{ size }}", FILE: "${{ steps.look.f }}" }
    ship: { needs: [weigh], script: { run: 'true' } }
    slow: { timeout: 100ms, script: { run: sleep 9 } }
"""

SHOWN = """\
  said     exit code 1
  where    scales.capsule.yaml:8
  input    env.FILE  file f (6 bytes)
           env.SIZE  5
           run       seq 1 30; test "$SIZE" -lt 5
  log      (30 lines, the last 10)
"""

AFTER = """\
           | 30
  omitted  ship
  as well  weigh/2, slow

"""


def test_show_begins_with_the_failure(somagent: Shell) -> None:
    name = somagent.capsule("scales", SPEC)
    ran = somagent("run", name)
    shown = somagent("show", "last")
    assert (ran.code, shown.code) == (1, 0)
    assert shown.out.startswith("✗ weigh/1 failed: error, after ")
    assert shown.out.partition("\n")[2].startswith(SHOWN)
    assert AFTER in shown.out
    assert SHOWN in ran.out, "where it was watched, the end says it"
    way_on = shown.out.rpartition(": Failed in ")[2]
    assert [line.split(":")[0].strip() for line in way_on.splitlines()[1:]] == ["logs", "again"]
    logs = [line for line in way_on.splitlines() if "logs:" in line]
    assert logs[0].endswith(" weigh/1")


def test_what_would_help_is_said_by_the_class_of_the_failure(somagent: Shell) -> None:
    name = somagent.capsule("late", "  steps: { slow: { timeout: 100ms, script: { run: sleep 9 } } }\n")
    somagent("run", name)
    assert "  mend     give it longer (`timeout`) or less to do\n" in somagent("show", "last").out


def test_an_input_that_cannot_be_made_again_is_not_made_up(somagent: Shell) -> None:
    name = somagent.capsule("bare", "  steps: { a: { require: run.submitter == 'nobody-here', script: { run: a } } }\n")
    somagent("run", name)
    shown = somagent("show", "last").out
    assert "  said     required, but false: " in shown
    assert "  input " not in shown
