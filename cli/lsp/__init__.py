"""The language server: what editors show while a capsule or a constitution is being written.

Inside belongs what the protocol needs, and no knowledge of capsules: that is `somagent.capsule_compiler.analysis`.
"""
