"""Data sets on their way into a stage's bucket: looked at, split, pushed so that interruption costs little, and listed.

What lies in the bucket is described in docs/dataset.md.
"""
