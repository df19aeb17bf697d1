"""What `somagent fmt` costs, beside reading the same text, and what the graph of a plan costs.

`python benchmarks/layout.py [--rounds 9]`. CPU ms in this process, medians, the garbage collector off as in the command
line. "reading" is the baseline: the tree alone. A text in its layout is read once, any other twice, because what is
written is read again and compared.

Goal: 1,000 steps <= 200 ms.
"""

from __future__ import annotations

import argparse

from compile import chain, compiler, cpu_ms

from somagent.governance.documents import Source, read_yaml
from somagent.governance.documents.formatting import format_source
from somagent.workflows.graph import FORMATS, MOST_STEPS, render_graph


def laid_out(text: str) -> str:
    """The text in its layout."""
    done, found = format_source(Source("bench.capsule.yaml", text))
    if done is None:
        raise SystemExit(f"the benchmark's capsule is wrong: {found[:3]}")
    return done


def layouts(rounds: int) -> None:
    """The table of the layout."""
    print(f"{'layout':<20} {'reading':>9} {'in order':>9} {'other':>9} {'ms/step':>9}")
    for size in (10, 100, 1000, 5000):
        crooked = chain(size)
        good = Source("a", laid_out(crooked))
        reading = cpu_ms(lambda good=good: read_yaml(good), rounds, collector=False)  # type: ignore[misc]
        same = cpu_ms(lambda good=good: laid_out(good.text), rounds, collector=False)  # type: ignore[misc]
        other = cpu_ms(lambda text=crooked: laid_out(text), rounds, collector=False)  # type: ignore[misc]
        print(f"{f'{size:,} steps':<20} {reading:>9.1f} {same:>9.1f} {other:>9.1f} {other / size:>9.3f}")


def graphs(rounds: int) -> None:
    """The table of the graphs."""
    compiled = compiler()
    print(f"\n{'graph':<20} " + " ".join(f"{name:>9}" for name in FORMATS))
    for size in (10, 100, 1000, 5000):
        plan = compiled(chain(size))
        cells = []
        for name in FORMATS:
            if name == "svg" and size > MOST_STEPS:
                cells.append(f"{'none':>9}")
                continue
            ms = cpu_ms(lambda plan=plan, name=name: render_graph(plan, name), rounds, collector=False)  # type: ignore[misc]
            cells.append(f"{ms:>9.1f}")
        print(f"{f'{size:,} steps':<20} {' '.join(cells)}")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    layouts(rounds)
    graphs(rounds)


if __name__ == "__main__":
    main()
