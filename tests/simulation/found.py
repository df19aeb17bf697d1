"""Seeds that found a bug of the engine, each mended since. They stand for it as long as the drawing stays as it is."""

FOUND = {
    4239: "a decision that was noticed in the moment when nothing was left to do ended the run with a fault",
    1531: "the run of a capsule that was being made when its step was given up stayed behind, and never ended",
    22628: "a wall clock that was set forward cut a capsule's step off before its time was over",
}
