"""What a step does: one folder an operator, and the step runner that every engine starts.

How steps are ordered, retried and waited for belongs to `somagent.workflows`; what a capsule may say to
`somagent.capsule_compiler`.
"""
