"""The step runner: the one program that every engine starts for a step.

Its promise: a step whose result is recorded never runs again; one cut off before that may run again, with the same
idempotency key. It talks to the world through the ledger only; when a step may start and when a failed one is tried
again is the engine's business.
"""
