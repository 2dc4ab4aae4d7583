"""What operators see of an installation: metrics of every process, and traces."""
