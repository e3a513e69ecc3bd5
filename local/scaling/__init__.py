"""The arithmetic of Application Auto Scaling: pure, told the time and the data points, so that a plan can import it."""
