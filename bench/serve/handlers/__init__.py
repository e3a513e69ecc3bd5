"""What a user writes to serve the network with the other servers; copied into their folders, and run there alone."""
