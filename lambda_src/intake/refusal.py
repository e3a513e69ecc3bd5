"""What nobody but whoever pushed the data set can mend."""


class Refusal(ValueError):
    """One sentence: what was wrong, where, and what is allowed."""
