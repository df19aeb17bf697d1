"""Judges a git repository by what it has committed, without running any of it.

Programs of the capsule's steps, in order: `snapshot`, `inventory`, `check` (once for each of `checks.REGISTRY`),
`score`, `report`. They need Python's standard library and git 2.30 or newer. Running capsules belongs to SomaGent;
what the verdict is belongs to the constitution beside this package. Imports are relative, because the package is found
at two places: beside its capsule when it runs, inside `somagent` when types are checked.
"""
