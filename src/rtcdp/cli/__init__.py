"""The command line: every command is a thin layer over the assembly."""

from rtcdp.cli.app import main

__all__ = ["main"]
