"""How fast a push of many small files is: `make bench-data`."""
