"""What a VPC lets through: its routes, groups and endpoints, and whose requests come from within."""
