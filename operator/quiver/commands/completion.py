"""The command `quiver completion`: what makes a shell complete `quiver`."""

import click
from click.shell_completion import get_completion_class

PROGRAM, VARIABLE = "quiver", "_QUIVER_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print the script that makes your shell complete `quiver`.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and options when you press Tab.

    \b
    source <(quiver completion bash)            # in ~/.bashrc; for zsh in ~/.zshrc
    quiver completion fish > ~/.config/fish/completions/quiver.fish

    `kubectl quiver` needs nothing of this where kubectl's own completion is set up: kubectl asks
    the program kubectl_complete-quiver, which is installed beside quiver.
    """  # noqa: D301 - click's sign for lines that stay lines
    found = get_completion_class(shell)
    context = click.get_current_context()
    if found is None:
        raise click.ClickException(f"{shell} is not known to the installed click")
    group = context.find_root().command
    click.echo(found(group, {}, PROGRAM, VARIABLE).source())
