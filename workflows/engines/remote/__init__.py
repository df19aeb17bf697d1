"""Steps that run elsewhere: the program that a pod or a task starts, and what it tells the engine that started it."""
