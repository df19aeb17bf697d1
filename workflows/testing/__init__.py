"""Tests of capsules: files of cases beside a capsule, run on the real engine.

Only effects outside of the run are replaced, by answers that the case declares; everything else is real. Inside: the
form of test files, their mistakes, how cases are run and judged, what they cover. How it is printed is the command
line's business.
"""
