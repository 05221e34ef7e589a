"""What the command lines of the tools have in common."""

import sys

import click

from machine.errors import SetupError


class Group(click.Group):
    """Shows what went wrong, and what to do, instead of a traceback."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except SetupError as error:
            click.secho(f"Error: {error}", fg="red", err=True)
            sys.exit(1)
