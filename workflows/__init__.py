"""Running plans: the engines, the library of curated capsules, and the report of a run."""
