"""Capsule text in, checked plan out. Pure: no network, no clock, no database, no operator code.

What a step does is in `somagent.operators`; the compiler knows operators only as a `Catalogue` that it is given.
"""
