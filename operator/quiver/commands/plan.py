"""The command `quiver plan`: what applying manifests will do, before it is done."""

from typing import Any

import click

from quiver.commands.cluster import Where, cluster_options, run
from quiver.commands.planning.manifests import BadManifest
from quiver.commands.planning.output import Plan, as_json, as_markdown, as_table, unknown
from quiver.commands.planning.work import Asked, NotPossible, planned
from quiver.option_types import Cidr

MOST_UNKNOWN = 20
"""Lines about what could not be found out."""


@click.command(short_help="Say what applying manifests will do.")
@click.option(
    "--file",
    "-f",
    "files",
    multiple=True,
    required=True,
    metavar="FILE|FOLDER|-",
    help="YAML of objects; a folder with all folders in it; - for stdin. Repeat it for several.",
)
@click.option(
    "--prune",
    is_flag=True,
    help="Plan as if whoever applies them deletes what -l selects and no manifest has.",
)
@click.option("--selector", "-l", help="Label selector of what --prune may delete.")
@click.option(
    "--server-side",
    is_flag=True,
    help="It will be applied by `kubectl apply --server-side` or Flux. Without this option, objects"
    " that were last applied without --server-side are planned as applied that way again.",
)
@click.option(
    "--field-manager",
    default="kubectl",
    show_default=True,
    help="Who applies server-side; Flux is kustomize-controller.",
)
@click.option(
    "--force-conflicts", is_flag=True, help="It will be applied with force, as Flux does it."
)
@click.option(
    "--allow-engine-cidr",
    "cidrs",
    type=Cidr(),
    multiple=True,
    help="What the operator has as --allow-engine-cidr, if it has that option.",
)
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
)
@cluster_options
def plan(where: Where, output: str, **options: Any) -> None:
    """Say what applying these manifests will do to collections of vectors.

    \b
    quiver plan -f manifests/
    kustomize build staging | quiver plan -f - --prune -l team=search -o markdown

    A VectorCollection describes a collection, a VectorEngine the server that holds it. For each of
    them this says whether it is created, adopted, changed, dropped or refused, and how many rows
    are dropped with it. The API server checks each manifest, and the operator's own rules say what
    follows. Nothing is written, to the cluster or to an engine. The worst comes first.

    \b
    Exit codes:
      0  nothing changes
      2  something changes, and nothing is dropped or refused
      3  something is dropped or refused
      1  an error, or something that could not be found out
    """  # noqa: D301 - click reads a control character
    asked = Asked(**options)
    if asked.prune != (asked.selector is not None) or asked.selector == "":
        raise click.ClickException("--prune needs -l SELECTOR, and -l is for --prune alone")
    try:
        found = run(planned(where, asked))
    except (BadManifest, NotPossible) as error:
        raise click.ClickException(str(error)) from error
    _print(found, output)
    lines = unknown(found)
    for line in lines[:MOST_UNKNOWN]:
        click.echo(f"Error: not known: {line}", err=True)
    if len(lines) > MOST_UNKNOWN:
        click.echo(f"Error: not known of {len(lines) - MOST_UNKNOWN} more objects", err=True)
    click.get_current_context().exit(found.exit)


def _print(found: Plan, output: str) -> None:
    if output == "json":
        click.echo(as_json(found))
    elif output == "markdown":
        click.echo(as_markdown(found))
    else:
        as_table(found)
