"""The `somagent` command: one module a command in `commands/`, which is imported when it is called.

What commands do is in the parts below; here is only how it is asked for and shown.
"""
