"""Puts an installation together from its settings; only here adapters are known by name."""
