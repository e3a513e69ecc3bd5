"""EC2 beyond what MiniStack has of it."""
