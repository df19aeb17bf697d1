"""Graphs of steps drawn: where boxes and arrows go. What a box shows is its user's: a report's, or a plan's graph."""
