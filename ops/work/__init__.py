"""Training, tuning, comparing and running the pipeline: what a stage's jobs are, how they start, are seen and end."""
