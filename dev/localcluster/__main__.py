"""`python -m localcluster`: the command line."""

from localcluster.cli import main

main()
