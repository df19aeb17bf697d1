"""Packages: what capsules use from outside, as versions that are chosen once and pinned by digest.

Everything here is pure: where packages lie is behind the protocol in `source`, and whoever calls the compiler
implements it. What a used capsule is compiled to is decided in `somagent.capsule_compiler.sub_capsules`.
"""
