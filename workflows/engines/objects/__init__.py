"""The ledger on an object store, for engines whose steps run in pods and tasks.

Create-if-absent is the only write that guards anything, so a folder, S3, GCS and Azure serve alike. Objects are never
changed: what happens to a step, a budget or a run's people is a numbered log, and who creates the next number wins.
"""
