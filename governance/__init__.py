"""The rule side: documents with spans, the expression language, the constitution and its decisions.

Lowest layer: it knows no capsule, no operator and no engine. What turns a capsule into a plan lives in
`somagent.capsule_compiler`.
"""
