"""Who waited for what: a row of time for every step, and in words what it waited for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from somagent.workflows.engines.protocol import RunView, StepView
from somagent.workflows.report.axis import Axis, axis_of
from somagent.workflows.report.icons import icon
from somagent.workflows.report.markup import Html, code, join, said, tag, tall
from somagent.workflows.report.timing import KINDS, RunTimes, Span, Timing, nodes_of
from somagent.workflows.report.words import PHASES, counted, duration, listed, moment

_WORTH_SAYING = 10  # a part of the run that is larger than one of so many
_BAR, _LANE, _MOST_LANES = 14, 5, 24  # CSS pixels; lanes of a fan-out's items


def timeline(view: RunView, times: RunTimes) -> Html:
    """The chain that set the run's length, and the rows."""
    axis = axis_of(times)
    nodes = nodes_of(view)
    least = max((times.end - times.start) / 200, timedelta(milliseconds=1))
    rows = []
    for number, step in enumerate(view.steps):
        timing = times.steps[step.id]
        limit = nodes[step.id].fan_out.max_parallel if step.id in nodes and nodes[step.id].fan_out else 0  # type: ignore[union-attr]
        words = list(_words(step, timing, limit, least, taken_over=step.id in times.taken_over))
        rows.append(_row(number, step, timing, words, axis))
    head = tag(
        "tr",
        tag("th", "Step", scope="col"),
        tag("th", _scale(axis), scope="col", class_="axis"),
        tag("th", "What its time went for", scope="col"),
    )
    caption = f"Time from the start of the run, {moment(times.start)}."
    if axis.cuts:
        lengths = listed([duration(cut.length) for cut in axis.cuts])
        caption += f" Nothing ran for {lengths}; these are drawn shorter than they were, between ‖."
    whole = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", *rows), class_="timeline")
    return join([_chain(times), _legend(times), tall(tag("div", whole, class_="card"), len(rows), "Timeline")])


def _chain(times: RunTimes) -> Html:
    if len(times.chain) < 2:
        return Html("")
    whole = sum((link.share for link in times.chain), timedelta())
    queued = sum((link.queued for link in times.chain), timedelta())
    how = "Only making one of them faster would have ended the run earlier."
    if queued > whole / _WORTH_SAYING:
        how = (
            f"For {duration(queued)} of that they were ready and not started, because others had the places: with more"
            " places (`--parallel`), or with less to do beside them, the run would have ended earlier as well."
        )
    weighty = sorted(times.chain, key=lambda link: link.share, reverse=True)[:12]
    links = [
        tag("li", code(link.step), " ", tag("b", duration(link.share)))
        for link in times.chain
        if len(times.chain) <= 12 or link in weighty
    ]
    left = len(times.chain) - len(links)
    return tag(
        "div",
        tag(
            "p",
            f"These steps, one after the other, made the run {duration(whole)} long; each waited for the one before"
            " it. ",
            said(how),
        ),
        tag("ol", *links, class_="chain"),
        tag("p", f"and {counted(left, 'shorter step')} between them", class_="note") if left else "",
        class_="card chain-card",
    )


def _legend(times: RunTimes) -> Html:
    """What the colours mean, of those that occur."""
    spans = [s for timing in times.steps.values() for one in (timing, *timing.items) for s in one.spans]
    seen = {"failed" if span.failed else span.kind for span in spans}
    meanings = [*KINDS.items(), ("failed", "running, and failed")]
    kinds = [
        tag("li", Html(f'<span class="swatch k-{kind}"></span>'), words) for kind, words in meanings if kind in seen
    ]
    return tag("ul", *kinds, class_="legend")


def _scale(axis: Axis) -> Html:
    ticks = [tag("text", _since(seconds), x=f"{place:.2f}%", y=11, class_="small") for place, seconds in axis.ticks()]
    cuts = [
        tag("text", f"‖ {duration(cut.length)} ‖", x=f"{(cut.at + cut.end) / 2:.2f}%", y=11, class_="small cut-label")
        for cut in axis.cuts
    ]
    names = "Time from the start; cut where nothing ran" if axis.cuts else "Time from the start"
    return tag("svg", tag("title", names), *ticks, *cuts, width="100%", height=16, role="img", aria_label=names)


def _since(seconds: float) -> str:
    if not seconds:
        return "0"
    if seconds >= 1 and seconds < 60:
        return f"{seconds:g} s"
    words = duration(timedelta(seconds=seconds))
    return words.replace(" 00 s", "").replace(" 00 min", "")


def _row(number: int, step: StepView, timing: Timing, words: Sequence[str], axis: Axis) -> Html:
    mark = PHASES[step.phase][0]
    name = tag("a", icon(mark), code(step.id, 60), href=f"#s{number}", title=f"{step.id}: {step.phase}")
    bars, height = _lanes(timing, axis) if timing.items else ("", _BAR)
    own = _bars(timing.spans, axis, 0, height)
    summary = f"{step.id}: {'; '.join(words) or step.phase}"
    marks = "".join(f'<line class="grid" x1="{place:.2f}%" x2="{place:.2f}%" y2="100%"/>' for place, _ in axis.ticks())
    cuts = "".join(
        f'<rect class="cut-band" x="{cut.at:.2f}%" width="{cut.end - cut.at:.2f}%" height="100%"/>' for cut in axis.cuts
    )
    picture = tag(
        "svg",
        Html(cuts + marks + own + bars),
        width="100%",
        height=height,
        role="img",
        aria_label=summary,
    )
    return tag(
        "tr",
        tag("th", name, scope="row"),
        tag("td", picture, class_="bar"),
        tag("td", *(tag("span", word) for word in words), class_="words"),
    )


def _bars(spans: Sequence[Span], axis: Axis, top: float, height: float) -> str:
    """One rectangle a span; waiting for other steps is only a thin line."""
    bars = []
    for span in spans:
        start, end = axis.place(span.start), axis.place(span.end)
        if span.kind == "run" and end - start < 0.35:  # must be seen
            start = min(start, 99.65)
            end = start + 0.35
        y, high = (top + height / 2 - 0.75, 1.5) if span.kind in {"needs", "stopped"} else (top, height)
        kind = "failed" if span.failed else span.kind
        bars.append(f'<rect class="k-{kind}" x="{start:.2f}%" width="{end - start:.2f}%" y="{y:g}" height="{high:g}"/>')
    return "".join(bars)


def _lanes(timing: Timing, axis: Axis) -> tuple[str, float]:
    """A fan-out's items, packed into as few lanes as had items at work at the same time."""
    ends: list[float] = []
    bars: list[str] = []
    hidden = 0
    starts = [(min((s.start for s in item.spans if s.kind == "run"), default=None), item) for item in timing.items]
    for begun, item in sorted(((b, i) for b, i in starts if b is not None), key=lambda pair: pair[0]):
        spans = [span for span in item.spans if span.start >= begun]
        start = axis.place(begun)
        lane = next((lane for lane, end in enumerate(ends) if end <= start + 0.01), len(ends))
        if lane >= _MOST_LANES:
            hidden += 1
            continue
        if lane == len(ends):
            ends.append(0.0)
        ends[lane] = max(axis.place(spans[-1].end), start + 0.35)
        bars.append(_bars(spans, axis, lane * _LANE, _LANE - 1))
    return "".join(bars), max(len(ends) * _LANE, _BAR)


def _words(step: StepView, timing: Timing, limit: int, least: timedelta, *, taken_over: bool) -> Iterator[str]:
    """What the time went for, the waiting first; what took no more than `least` is not worth a line."""
    if taken_over:
        yield "taken over from an earlier run; it took no time in this one"
        return
    waited = timing.total("needs")
    if timing.waited_for and waited:
        yield f"waited {duration(waited)} for {timing.waited_for[:60]}"
    for kind, words in (
        ("queue", "until it was started"),
        ("retry", "before trying again"),
        ("stopped", "while nobody was at work on the run"),
        ("people", "for people to decide"),
    ):
        length = timing.total(kind)  # type: ignore[arg-type]
        if length > least and (kind != "queue" or step.attempts):
            yield f"waited {duration(length)} {words}"
    ran = timing.total("run")
    if timing.items:
        at_once = f", at most {limit} at a time" if limit else ""
        yield f"ran {duration(ran)} in all, {counted(len(timing.items), 'item')}{at_once}"
    elif any(span.kind == "run" for span in timing.spans):
        yield f"ran {duration(ran)}" + (f" in {step.attempts} attempts" if step.attempts > 1 else "")
    elif step.phase in {"Skipped", "Omitted", "Cancelled", "Pending"}:
        yield {"Skipped": "was not needed", "Omitted": "never started", "Cancelled": "was cancelled"}.get(
            step.phase, "has not started"
        )
