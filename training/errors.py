"""What a person can mend: shown as one sentence, and as the job's failure reason."""


class TrainingError(Exception):
    """A fault in the data, the flags or the numbers, told in one sentence."""
