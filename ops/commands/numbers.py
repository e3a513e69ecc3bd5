"""Numbers on the command line that can be meant."""

import argparse
import math


def count(text: str) -> int:
    """Of instances, of requests: 1 or more."""
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")


def seconds(text: str) -> float:
    """To wait: a number that ends."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if 0 <= found < math.inf:
        return found
    raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
