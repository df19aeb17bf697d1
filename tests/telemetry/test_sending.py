"""What a collector is sent of runs: one trace each, whoever works on it, and nothing that people or programs said."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from otlp_receiver import Receiver, attributes, receiving
from somagent_shell import HEAD, Shell

WORD = "quince-7141"  # stands for all that must not be sent
SECRET = "hush-0815-hush"
INSIDE = """\
  inputs: { word: { type: string } }
  steps:
    try:
      retry: { attempts: 2, backoff: 1s, failures: [transient] }
      script: { env: { WORD: "${{ inputs.word }}" }, run: 'echo "$WORD"; [ "$SOMAGENT_ATTEMPT" = 2 ] || exit 75' }
"""
WHOLE = f"""\
  uses:
    capsules: {{ inside: ./inside.capsule.yaml }}
    secrets: {{ key: {{ secret: vault, key: key, grantTo: [list] }} }}
  inputs: {{ word: {{ type: string, default: {WORD} }} }}
  budget: {{ tokens: 5k }}
  steps:
    list:
      script:
        env: {{ KEY: "${{{{ secrets.key }}}}" }}
        run: |
          echo "traceparent=$TRACEPARENT" >> "$SOMAGENT_OUTPUT"
          echo 'words=["{WORD}", "b"]' >> "$SOMAGENT_OUTPUT"
          echo "{WORD} $KEY"
      outputs: {{ traceparent: {{ type: string }}, words: {{ type: array, maxItems: 4, items: {{ type: string }} }} }}
    each:
      forEach: ${{{{ steps.list.words }}}}
      as: word
      script: {{ env: {{ WORD: "${{{{ word }}}}" }}, run: 'echo "$WORD" >&2' }}
    deep:
      capsule: {{ use: inside, with: {{ word: "${{{{ inputs.word }}}}" }} }}
    agree:
      needs: [each, deep]
      review: {{ title: "Go on with ${{{{ inputs.word }}}}?" }}
    bad:
      needs: [agree]
      script: {{ env: {{ WORD: "${{{{ inputs.word }}}}" }}, run: 'echo "no $WORD" >&2; exit 3' }}
    never:
      needs: [bad]
      script: {{ run: 'true' }}
  outputs: {{ traceparent: "${{{{ steps.list.traceparent }}}}" }}
"""


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Receiver, Shell]]:
    """A run of all kinds of steps, parked by one process and ended by another one, and a retry of it."""
    shell = Shell(tmp_path_factory.mktemp("sent"))
    shell.write("inside.capsule.yaml", HEAD.replace("NAME", "inside") + INSIDE)
    shell.write(".config/somagent/secrets/vault/key", SECRET).chmod(0o600)
    with receiving() as receiver:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_SERVICE_NAME": "orchard"}
        parked = shell("run", shell.capsule("whole", WHOLE), **variables)
        assert parked.code == 3, parked.err
        ended = shell("approve", "last", "agree", "--as", "barnaby", "--comment", f"yes {WORD}", **variables)
        assert ended.code == 1, ended.err
        again = shell("retry", "last", "--output", "json", **variables)
        assert again.code == 1, again.err
        assert "warning" not in parked.err + ended.err + again.err
        yield receiver, shell


def named(receiver: Receiver, name: str) -> list[Any]:
    return [span for span in receiver.spans if span.name == name]


def test_a_run_is_one_trace_whoever_works_on_it(sent: tuple[Receiver, Shell]) -> None:
    receiver, _ = sent
    first, second = named(receiver, "run whole")
    spans = [span for span in receiver.spans if span.trace_id == first.trace_id]
    assert sorted(span.name for span in spans) == [
        *["attempt agree"] * 2,
        "attempt bad",
        "attempt deep",
        *["attempt each"] * 2,
        "attempt list",
        *["attempt try"] * 2,
        *["item each"] * 2,
        "run inside",
        "run whole",
        *[f"step {name}" for name in ("agree", "bad", "deep", "each", "list", "never", "try")],
        "wait agree",
    ]
    assert {span.trace_id for span in receiver.spans} == {first.trace_id, second.trace_id}
    assert [(link.trace_id, link.span_id) for link in second.links] == [(first.trace_id, first.span_id)]


def test_each_span_is_inside_the_one_that_it_is_a_part_of(sent: tuple[Receiver, Shell]) -> None:
    receiver, _ = sent
    by_id = {span.span_id: span for span in receiver.spans}
    assert len(by_id) == len(receiver.spans)
    above = {span.name: by_id[span.parent_span_id].name for span in receiver.spans if span.parent_span_id}
    assert above == {
        "attempt agree": "step agree",
        "attempt bad": "step bad",
        "attempt deep": "step deep",
        "attempt each": "item each",
        "attempt list": "step list",
        "attempt try": "step try",
        "item each": "step each",
        "run inside": "step deep",
        "step try": "run inside",
        "wait agree": "step agree",
        **{f"step {name}": "run whole" for name in ("agree", "bad", "deep", "each", "list", "never")},
    }
    for span in receiver.spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        if span.parent_span_id:
            outer = by_id[span.parent_span_id]
            assert outer.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= outer.end_time_unix_nano


def test_a_span_has_the_class_of_the_failure_and_not_its_words(sent: tuple[Receiver, Shell]) -> None:
    receiver, _ = sent
    bad, whole = named(receiver, "step bad")[0], named(receiver, "run whole")[0]
    assert [span.status.code for span in (bad, whole)] == [2, 2]
    assert bad.status.message == attributes(bad)["error.type"] == "error"
    first, second = sorted(named(receiver, "attempt try"), key=lambda span: span.start_time_unix_nano)[:2]
    assert (attributes(first)["error.type"], attributes(second)["somagent.attempt.phase"]) == ("transient", "Succeeded")
    assert attributes(whole)["somagent.run.phase"] == "Failed"
    assert attributes(whole)["somagent.run.id"].startswith("r-")
    assert [attributes(span)["somagent.item.index"] for span in named(receiver, "item each")] in ([0, 1], [1, 0])
    assert attributes(named(receiver, "step never")[0])["somagent.step.phase"] == "Omitted"
    assert {one["service.name"] for one in receiver.resources()} == {"orchard"}


def test_the_work_of_a_script_continues_the_trace(sent: tuple[Receiver, Shell]) -> None:
    receiver, shell = sent
    output = shell("show", shell("runs", "--output", "json").json[-1]["id"], "--output", "json").json
    version, trace, parent, flags = output["steps"]["list"]["outputs"]["traceparent"].split("-")
    attempt = named(receiver, "attempt list")[0]
    assert (version, trace, parent, flags) == ("00", attempt.trace_id.hex(), attempt.span_id.hex(), "01")


def test_nothing_that_people_or_programs_said_is_sent(sent: tuple[Receiver, Shell]) -> None:
    receiver, shell = sent
    assert WORD in shell("logs", shell("runs", "--output", "json").json[-1]["id"]).out  # it was there to be sent
    for word in (WORD, SECRET, "barnaby", "exit code", "Go on with"):
        assert word.encode() not in receiver.bodies, word


def test_metrics_count_runs_steps_attempts_and_what_they_waited_for(sent: tuple[Receiver, Shell]) -> None:
    metrics = sent[0].metrics
    counted = {
        (attributes(point)["somagent.step.phase"], attributes(point).get("error.type")): point.as_int
        for point in metrics["somagent.steps"].sum.data_points
    }
    assert counted == {("Failed", "error"): 1, ("Omitted", None): 1}  # of the last process
    assert {
        "somagent.runs",
        "somagent.run.duration",
        "somagent.run.claim.duration",
        "somagent.attempts",
        "somagent.attempt.duration",
        "somagent.step.duration",
        "somagent.step.queue.duration",
        "somagent.gate.wait.duration",
        "somagent.item.duration",
        "somagent.journal.commit.duration",
        "somagent.gates.waiting",
    } <= metrics.keys()
    assert metrics["somagent.gates.waiting"].gauge.data_points[0].as_int == 0


def test_log_entries_belong_to_their_spans(sent: tuple[Receiver, Shell]) -> None:
    receiver, _ = sent
    by_id = {span.span_id: span.name for span in receiver.spans}
    found = {(entry.event_name, entry.body.string_value): by_id[entry.span_id] for entry in receiver.entries}
    assert found["somagent.step.attempt", "bad: attempt 1 began"] == "attempt bad"
    assert found["somagent.step.result", "bad Failed (error)"] == "step bad"
    assert found["somagent.step.decision", "agree: somebody decided"] == "step agree"
    assert {entry.severity_text for entry in receiver.entries} == {"INFO", "WARN", "ERROR"}


def test_what_a_killed_process_was_at_work_on_is_told_by_who_goes_on(
    somagent: Shell, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    mark = somagent.folder / "mark"
    run = f"touch {mark}; [ $SOMAGENT_ATTEMPT = 2 ] || sleep 60"
    name = somagent.capsule("nap", f"  steps:\n    nap: {{ script: {{ run: '{run}' }} }}\n")
    with receiving() as receiver:
        started = somagent.start("run", name)
        wait_until(mark.exists)
        os.kill(started.pid, signal.SIGKILL)
        started.communicate()
        ended = somagent("resume", "last", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
        assert ended.code == 0, ended.err
        first, second = named(receiver, "attempt nap")
        assert [attributes(one).get("error.type") for one in (first, second)] == ["cut_off", None]
        assert {span.trace_id for span in receiver.spans} == {first.trace_id}
        takeovers = receiver.metrics["somagent.lease.takeovers"].sum.data_points
        assert [point.as_int for point in takeovers] == [1]
