"""What runs on an instance: its first process, and the commands that an AMI has. It knows that instance alone."""
