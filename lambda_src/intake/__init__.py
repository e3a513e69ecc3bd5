"""The intake function: a pushed data set starts the training pipeline, once.

Ships alone: imports the standard library, botocore and its own modules, nothing else of this repository.
"""
