"""The HTTP server of an installation: its socket, what is bounded on it, and what it answers."""
