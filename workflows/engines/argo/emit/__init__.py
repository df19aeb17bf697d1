"""A plan as Argo's objects, through Hera's models: pure, deterministic, and valid before there is a cluster.

No string of a capsule goes where Argo renders templates: steps are named by ids, and data stay in the ledger.
"""
