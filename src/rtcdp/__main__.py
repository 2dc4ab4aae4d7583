"""`python -m rtcdp` is the same as `rtcdp`."""

from rtcdp.cli import main

main()
