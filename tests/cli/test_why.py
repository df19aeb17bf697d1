"""What `show` says first of a run that failed: the step, what it was given, the last that it wrote, the way on."""

import html

from somagent_shell import Shell
from terminal import Terminal

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


LARGE = """\
  steps:
    big:
      script: { run: 'printf "text=%0100000d\\n" 7 >> "$SOMAGENT_OUTPUT"' }
      outputs: { text: { type: string } }
    bad: { script: { run: exit 3, env: { TEXT: "${{ steps.big.text }}" } } }
"""


def test_a_large_value_is_shown_by_its_beginning(somagent: Shell) -> None:
    ran = somagent("run", somagent.capsule("large", LARGE))
    assert ran.code == 1
    assert f"  input    env.TEXT  {'0' * 40}" in ran.out
    assert "report: " in ran.out


def test_what_would_help_is_said_by_the_class_of_the_failure(somagent: Shell) -> None:
    name = somagent.capsule("late", "  steps: { slow: { timeout: 100ms, script: { run: sleep 9 } } }\n")
    somagent("run", name)
    assert "  mend     give it longer (`timeout`) or less to do\n" in somagent("show", "last").out


ENDS = """\
  uses: { secrets: { token: { secret: git-writer, key: token, grantTo: [leaks] } } }
  steps:
    lacks: { script: { run: no-such-program } }
    dull: { script: { run: 'echo "echo x" > tool; ./tool' } }
    shot: { script: { run: kill -KILL $$ } }
    piped: { script: { run: yes | head -n 1 } }
    leaks: { script: { run: 'echo "it=$TOKEN" >> "$SOMAGENT_OUTPUT"', env: { TOKEN: "${{ secrets.token }}" } } }
"""


def test_what_would_help_is_said_by_how_a_script_ended(somagent: Shell) -> None:
    name = somagent.capsule("ends", ENDS)
    assert somagent("run", name, SOMAGENT_SECRET_GIT_WRITER__TOKEN="s3cr3t-value").code == 1
    report = html.unescape(next((somagent.folder / ".somagent" / "reports").glob("*.html")).read_text())
    for helps in (
        "a program was not found: check its name, and that it is installed where the step runs",
        "the program is there and could not be started: `chmod +x` it",
        "it was ended from outside, mostly because memory ran out",
        "a pipe's reader ended before its writer, as `| head` does",
        "keep the secret out of all that the step gives",
    ):
        assert report.count(f"What helps: {helps}") == 1, helps
    assert "a rule or a person said no: change" not in report
    assert "  mend     a program was not found: " in somagent("show", "last").out


SENTENCE = "the connection to the build farm was refused although the farm says that it is up and takes whoever comes"


def test_in_a_terminal_lines_are_folded_between_words(somagent: Shell) -> None:
    text = f"  steps: {{ a: {{ script: {{ run: 'echo \"{SENTENCE}\" >&2; exit 3' }} }} }}\n"
    somagent("run", somagent.capsule("farm", text))
    with Terminal(somagent, "show", "last", columns=80) as screen:
        assert screen.ended() == 0
    why = screen.text.partition("\n\n")[0].splitlines()
    assert max(map(len, why)) <= 80
    said = why.index(next(line for line in why if line.startswith("  said     exit code 3: the connection")))
    assert why[said + 1].startswith(" " * 11)
    assert SENTENCE in " ".join(line.strip() for line in why[said : said + 2])
    log = next(line for line in why if line.startswith("  log      | the connection"))
    assert why[why.index(log) + 1].startswith(" " * 13)


def test_an_input_that_cannot_be_made_again_is_not_made_up(somagent: Shell) -> None:
    name = somagent.capsule("bare", "  steps: { a: { require: run.submitter == 'nobody-here', script: { run: a } } }\n")
    somagent("run", name)
    shown = somagent("show", "last").out
    assert "  said     required, but false: " in shown
    assert "  input " not in shown
