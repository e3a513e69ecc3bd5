"""What a function may do to its own log."""

WRITE_LOG = ("Allow", ("logs:CreateLogStream", "logs:PutLogEvents"))
