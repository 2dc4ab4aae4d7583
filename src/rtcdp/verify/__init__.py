"""Is what an installation says true? Checks that share no code with what they check."""
