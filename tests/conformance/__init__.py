"""The conformance suite: what every engine must come to alike. A case is data; an engine joins by one adapter."""
