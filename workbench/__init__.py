"""What runs on the training box and in the notebook, each file alone."""
