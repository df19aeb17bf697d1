"""Findings are found wherever they stand, sorted by how bad they are, counted, and filtered without a script."""

from collections.abc import Callable
from typing import Any

FINDS = r"""
steps:
  look:
    forEach: "${{ ['licence', 'secrets'] }}"
    as: name
    script:
      env: { NAME: "${{ name }}" }
      run: |
        exec >> "$SOMAGENT_OUTPUT"
        if [ "$NAME" = secrets ]; then
          key='{"severity":"critical","message":"a key","file":"a/b.py","line":7,"help":"revoke it"}'
          echo "findings=[{\"severity\":\"low\",\"message\":\"b\"},$key]"
        else
          echo 'findings=[{"severity":"odd","message":"c"},{"severity":"HIGH","message":"d"}]'
        fi
    outputs: { findings: { type: array, maxItems: 9, items: { $ref: "#/types/Finding" } } }
  end:
    needs: [look]
    script: { run: 'exit CODE' }
outputs: { all: "${{ steps.look.map(one, one.findings) }}" }
types:
  Finding:
    type: object
    required: [severity, message]
    properties: { severity: { type: string }, message: { type: string } }
"""


def _messages(page: Any) -> list[str]:
    return [element.text for element in page.ids["findings"].all("p", "message")]


def test_the_worst_comes_first_and_unknown_words_last(ran: Callable[..., Any]) -> None:
    page = ran(FINDS.replace("CODE", "0")).page
    assert _messages(page) == ["a key", "d", "b", "c"]
    assert "4 findings: 1 critical, 1 HIGH, 1 low and 1 odd" in page.root.all("header")[0].text
    assert "a/b.py:7" in page.section("findings")
    assert "revoke it" in page.section("findings")


def test_a_run_that_failed_shows_what_its_steps_found(ran: Callable[..., Any]) -> None:
    failed = ran(FINDS.replace("CODE", "1"))
    assert failed.view.outputs == {}
    assert _messages(failed.page) == ["a key", "d", "b", "c"]


def test_each_severity_has_a_box_that_hides_it_by_css_alone(ran: Callable[..., Any]) -> None:
    page = ran(FINDS.replace("CODE", "0")).page
    boxes = [e.attributes["id"] for e in page.ids["findings"].all("input")]
    assert boxes == ["show-1", "show-2", "show-4", "show-5"]
    for box in boxes:
        assert f".findings:has(#{box}:not(:checked)) tr.s{box[-1]}" in page.html
    labels = {e.attributes["for"] for e in page.ids["findings"].all("label")}
    assert labels == set(boxes)


def test_a_run_that_looked_and_found_nothing_says_so(ran: Callable[..., Any]) -> None:
    page = ran(
        """
        steps:
          look:
            script: { run: 'echo "findings=[]" >> $SOMAGENT_OUTPUT' }
            outputs: { findings: { type: array, maxItems: 9, items: { $ref: "#/types/Finding" } } }
        outputs: { findings: "${{ steps.look.findings }}" }
        types:
          Finding: { type: object, properties: { severity: { type: string }, message: { type: string } } }
        """
    ).page
    assert page.section("findings").endswith("No findings.")


def test_a_capsule_that_looks_for_nothing_has_no_findings_section(ran: Callable[..., Any]) -> None:
    page = ran("steps: { work: { script: { run: 'true' } } }").page
    assert not page.has("findings")


def test_findings_that_live_in_the_content_store_are_fetched(ran: Callable[..., Any]) -> None:
    many = ran(
        """
        steps:
          look:
            script:
              shell: python
              run: |
                import json, os
                found = [{"severity": "low", "message": f"line {n} " + "x" * 60} for n in range(1200)]
                open(os.environ["SOMAGENT_OUTPUT"], "a").write("findings=" + json.dumps(found) + "\\n")
            outputs: { findings: { type: array, maxItems: 2000, items: { type: object } } }
          end: { needs: [look], script: { run: exit 1 } }
        """
    )
    assert "$content" in many.view.steps[0].outputs["findings"]
    assert len(_messages(many.page)) == 1000
    assert "1,200 findings in all; the 1,000 worst are shown" in many.page.section("findings")
