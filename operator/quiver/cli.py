"""The command `quiver`: a group that imports a command when it is run.

The engine must not load the operator's libraries into memory, nor the operator the engine's.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from keyword import iskeyword
from typing import Any

import click
from click.shell_completion import CompletionItem, ShellComplete

from quiver import __version__

COMMANDS = {
    "check": "quiver.commands.check",
    "completion": "quiver.commands.completion",
    "engine": "quiver_engine.cli",
    "import": "quiver.commands.import_command",
    "operator": "quiver.command",
    "plan": "quiver.commands.plan",
    "ready": "quiver.ready",
    "report": "quiver.commands.report",
    "size": "quiver.commands.size",
    "status": "quiver.commands.status",
    "uninstall": "quiver.uninstall",
}
"""The module of each command. Its attribute of the same name is the command, with an underscore
after a name that is a word of Python's.
"""
SERVICES = frozenset({"engine", "operator", "ready", "uninstall"})
"""Commands that pods run. The exit code 2 of the others is an answer, such as that of a plan."""
EXTRAS = {"numpy": "engine", "faiss": "engine", "quiver_engine": "engine", "rich": "cli"}
"""Packages that the operator does without, and the extra that brings each."""


class LazyGroup(click.Group):
    """A group whose commands live in modules that are imported when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        try:
            module = importlib.import_module(COMMANDS[cmd_name])
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
            return _missing(cmd_name, error.name)
        attribute = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(module, attribute)
        return command

    def make_context(self, *arguments: Any, **named: Any) -> click.Context:
        with _usage_errors(lambda: None):
            return super().make_context(*arguments, **named)

    def invoke(self, ctx: click.Context) -> Any:
        with _usage_errors(lambda: ctx.invoked_subcommand):
            return super().invoke(ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the names alone: to tell what each is for would import all of them."""
        names = (name for name in self.list_commands(ctx) if name.startswith(incomplete))
        options = super(click.Group, self).shell_complete(ctx, incomplete)
        return [*map(CompletionItem, names), *options]


@contextmanager
def _usage_errors(command: Callable[[], str | None]) -> Iterator[None]:
    """Have a mistake of usage exit with 1, as every error of people's commands: click says 2."""
    try:
        yield
    except click.UsageError as error:
        if command() not in SERVICES:
            vars(error)["exit_code"] = 1
        raise


def _missing(command: str, package: str) -> click.Command:
    # From the clone: by its name a package index has no Quiver, or one that is not this.
    install = f"pip install '.[{EXTRAS[package]}]'"

    def refuse() -> None:
        raise click.ClickException(
            f"`quiver {command}` needs packages that are not installed ({package})."
            f" In a clone of Quiver: {install}"
        )

    return click.Command(
        command,
        callback=refuse,
        short_help=f"Not installed. In a clone of Quiver: {install}",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
        add_help_option=False,
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="quiver")
def main() -> None:
    """Vector collections on Kubernetes.

    You describe a collection of vectors in YAML, as a VectorCollection. Quiver creates it on an
    engine, a server that stores and searches vectors, and keeps it as described. Engines are pods
    that Quiver starts on the GPUs or CPUs of the cluster, or servers that you run yourself.
    """


def kubectl() -> None:
    """Run as kubectl's plugin: `kubectl quiver` finds the program `kubectl-quiver`."""
    main(prog_name="kubectl quiver")


NO_FILES, FILES, FOLDERS = 4, 0, 16
"""What kubectl (cobra) is to complete beside the answer."""


def kubectl_complete() -> None:
    """Answer kubectl, which finds the program `kubectl_complete-quiver`: the words so far are its
    arguments, the last of them unfinished.
    """
    *words, incomplete = sys.argv[1:] or [""]
    completer = ShellComplete(main, {}, "kubectl quiver", "")
    items = completer.get_completions(words, incomplete)
    kinds = {item.type for item in items}
    directive = FILES if "file" in kinds else FOLDERS if "dir" in kinds else NO_FILES
    for item in items:
        if item.type == "plain":
            click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(f":{directive}")
