"""Engines: each runs any plan, behind one protocol; none knows another.

What a step does is the step runner's business (`somagent.operators.runner`); an engine orders, waits and retries.
"""
