"""Finds credentials in text and never lets one out: callers get the rule, the place and the length, not the value."""
