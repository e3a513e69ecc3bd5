"""Registered models on their way to being served and back: the registry, the gate, the stage file, the deploy."""
