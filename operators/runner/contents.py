"""Where large values and artifacts live: files named by the digest of what is in them."""
