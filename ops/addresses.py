"""Addresses as they are shown: without what would open them to whoever reads a log or a screen."""

from urllib.parse import urlsplit


def without_secrets(address: str) -> str:
    """No signed query, no name and password; one without them stays as it is."""
    parts = urlsplit(address)
    query = "?..." if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"
