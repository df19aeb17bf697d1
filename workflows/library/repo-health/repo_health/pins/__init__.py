"""Whether what a build fetches is fixed: one module an ecosystem, each a function `Context -> Iterator[Finding]`."""
