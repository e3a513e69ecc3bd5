"""How long data lives."""

from config.sections.section import Days, Section


class Data(Section):
    noncurrent_days: Days
    """Days for which an overwritten or deleted object can still be brought back; storage is billed for them."""
    capture_days: Days
    """Days for which captured requests and answers are kept."""
    async_days: Days
    """Days for which what was sent to an endpoint in mode "async", and its answers, are kept."""
    upload_days: Days
    """Days for which images are kept that were uploaded to be predicted."""
    run_days: Days
    """Days for which what a run of the pipeline leaves beside its model is kept: its pictures, trials, checkpoints."""
    access_log_days: Days
    """Days for which the bucket's access log is kept."""
