"""A machine in a folder: what EC2's instances and SageMaker's notebook instances have in common. It knows neither."""
