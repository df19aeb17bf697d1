"""Capsules of any size to measure with; `realistic` has in every ten steps what the passes look at."""

from __future__ import annotations

from collections.abc import Sequence

HEAD = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: { name: bench }
spec:
  inputs: { limit: { type: integer, default: 3 }, paths: { type: array, items: { type: string }, maxItems: 20 } }
  steps:
"""
SMALL = (
    HEAD
    + """\
    count:
      script: { run: 'wc -l "$PATHS" > lines', env: { PATHS: "${{ inputs.paths }}" } }
      outputs: { lines: { type: integer } }
    report:
      require: steps.count.lines <= inputs.limit
      script: { run: echo "$LINES", env: { LINES: "${{ steps.count.lines }}" } }
"""
)

_REALISTIC_HEAD = """\
apiVersion: somagent.io/v1alpha1
kind: Capsule
metadata: {{ name: bench }}
spec:
  uses:
    secrets: {{ token: {{ secret: git-writer, key: token, grantTo: [{pushes}] }} }}
  types:
    File: {{ type: object, required: [name], properties: {{ name: {{ type: string }}, size: {{ type: integer }} }} }}
  inputs: {{ limit: {{ type: integer, default: 3 }}, title: {{ type: string }} }}
  defaults: {{ timeout: 15m, retry: {{ attempts: 2, backoff: 10s }} }}
  budget: {{ tokens: 400k, cost: 6.00 USD }}
  steps:
"""
# A service: list its files, look at each of them, add up what was found, mend, push with a secret, tell.
_SERVICE = (
    """\
    list{n}:
      script: {{ run: ./list, env: {{ FROM: "${{{{ inputs.limit + {n} }}}}" }} }}
      outputs: {{ files: {{ type: array, maxItems: 9, items: {{ $ref: "#/types/File" }} }} }}
""",
    """\
    scan{n}:
      forEach: ${{{{ steps.list{n}.files }}}}
      maxParallel: 4
      onItemFailure: collect
      script: {{ run: ./scan, env: {{ F: "${{{{ item.name }}}}", S: "${{{{ has(item.size) ? item.size : 0 }}}}" }} }}
      outputs: {{ found: {{ type: integer }} }}
""",
    """\
    sum{n}:
      script:
        run: ./sum
        env: {{ OK: "${{{{ steps.scan{n}.filter(i, !has(i.error)).map(i, i.found) }}}}" }}
      outputs: {{ total: {{ type: integer }} }}
""",
    """\
    fix{n}:
      if: steps.sum{n}.total > inputs.limit
      script: {{ run: ./fix }}
      budget: {{ tokens: 60k }}
      outputs: {{ patch: {{ type: artifact, path: p }} }}
""",
    """\
    try{n}:
      if: steps.sum{n}.total > inputs.limit
      script: {{ run: ./try, env: {{ PATCH: "${{{{ steps.fix{n}.patch }}}}" }} }}
      outputs: {{ ok: {{ type: boolean }} }}
""",
    """\
    push{n}:
      if: has(steps.try{n}) && steps.try{n}.ok
      script: {{ run: ./push, env: {{ TOKEN: "${{{{ secrets.token }}}}" }} }}
      outputs: {{ commit: {{ type: string }} }}
""",
    """\
    tell{n}:
      script:
        run: ./tell
        env: {{ T: "${{{{ inputs.title }}}}: ${{{{ has(steps.push{n}.commit) ? steps.push{n}.commit : 'none' }}}}" }}
""",
    """\
    bound{n}:
      require: steps.sum{n}.total >= 0 && steps.sum{n}.total < {n} + 1000
      script: {{ run: ./bound }}
""",
    """\
    note{n}:
      needs: [tell{n}]
      script: {{ run: ./note, env: {{ RUN: "${{{{ run.id }}}}" }} }}
""",
    """\
    next{n}:
      script: {{ run: ./next, env: {{ PATHS: "${{{{ steps.list{n}.files.map(f, f.name) }}}}" }} }}
      timeout: 5m
""",
)


def realistic(size: int) -> str:
    """Of every kind of step one in ten: fan-outs, collected items, optional members, guards, a secret, budgets."""
    steps = [_SERVICE[index % 10].format(n=index // 10) for index in range(size)]
    pushes = ", ".join(f"push{n}" for n in range((size + 4) // 10))
    return _REALISTIC_HEAD.format(pushes=pushes) + "".join(steps)


def step(name: str, reads: Sequence[str]) -> str:
    """A step of the usual parts: a script, an expression for each value that it reads and one more, an output."""
    env = "".join(f", V{index}: '${{{{ steps.{read}.v }}}}'" for index, read in enumerate(reads))
    return (
        f"    {name}: {{ script: {{ run: 'echo \"v=$L\" >> $SOMAGENT_OUTPUT', "
        f"env: {{ L: '${{{{ inputs.limit + {len(reads)} }}}}'{env} }} }}, "
        f"timeout: 5m, outputs: {{ v: {{ type: integer }} }} }}\n"
    )


def diamonds(count: int) -> str:
    """`count` diamonds on top of each other: 2**count paths from the first step to the last."""
    text = step("top0", [])
    for n in range(count):
        text += step(f"left{n}", [f"top{n}"]) + step(f"right{n}", [f"top{n}"])
        text += step(f"top{n + 1}", [f"left{n}", f"right{n}"])
    return HEAD + text


def fan_in(width: int) -> str:
    """One step that reads from all others."""
    return HEAD + "".join(step(f"s{n}", []) for n in range(width)) + step("last", [f"s{n}" for n in range(width)])
