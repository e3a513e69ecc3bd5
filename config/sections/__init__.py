"""One module a section of the stage file. Bounds that concern one key live in its type."""
