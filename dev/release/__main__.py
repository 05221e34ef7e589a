"""`python -m release`: the command line."""

from release.cli import main

main()
