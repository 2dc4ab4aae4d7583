"""What the overview tells: figures of a time, compared with the time before, and lists."""
