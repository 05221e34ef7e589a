"""`python -m imagebuild`: the command line."""

from imagebuild.cli import main

main()
