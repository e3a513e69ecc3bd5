"""Asking the deployed model: one picture or many, through the API, the function or the endpoint, or as a batch."""
