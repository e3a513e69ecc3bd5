"""Systems Manager's Run Command, which MiniStack has for containers alone. Parameters are MiniStack's own."""
