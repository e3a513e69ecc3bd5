"""How fast training is, beside the loop that its users had and beside PIL with a DataLoader: `make bench-train`."""
