"""How fast `serving/` answers beside what else would serve the same network: `make bench-serve`."""
