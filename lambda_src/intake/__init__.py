"""The intake function: a pushed data set is looked at, and starts the training pipeline, once.

Ships alone: imports the standard library, botocore and its own modules, nothing else of this repository.
"""
