"""The words of each command: what `--help` says of it and what it takes. What it does is read only when it runs."""
