"""The command `quiver status`: how engines and collections are, and what to do about it."""

import asyncio
import sys

import click
import msgspec
from rich.console import Group
from rich.live import Live
from rich.text import Text

from quiver.commands.branches import Branch, drawn, lines
from quiver.commands.cluster import Cluster, Where, cluster_options, connected, run
from quiver.commands.reading import place
from quiver.commands.screen import console
from quiver.commands.status_lines import branches, utc_now
from quiver.commands.status_reading import Asked, read_overview
from quiver.domain.kubernetes_types import VECTOR_COLLECTION, VECTOR_ENGINE, Key, Kind
from quiver.domain.text import one_line
from quiver.domain.views import Overview
from quiver.ports.errors import ApiError

NOT_READY = 2
REFRESH_S = 2.0
_NAMES = {
    "vcol": VECTOR_COLLECTION,
    "vectorcollection": VECTOR_COLLECTION,
    "vectorcollections": VECTOR_COLLECTION,
    "veng": VECTOR_ENGINE,
    "vectorengine": VECTOR_ENGINE,
    "vectorengines": VECTOR_ENGINE,
}


@click.command(short_help="Show engines, their pods and collections, and what is wrong.")
@click.argument("object_", metavar="[KIND/NAME]", required=False)
@cluster_options
@click.option("--watch", "-w", is_flag=True, help="Show it anew every 2 seconds, until Ctrl-C.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["tree", "json"]),
    default="tree",
    show_default=True,
)
def status(where: Where, object_: str | None, watch: bool, output: str) -> None:
    """Show how engines and collections are: ready or not and why, pods, memory, last Events.

    \b
    quiver status -n team-a
    quiver status vcol/items -n team-a

    An engine is a server that stores and searches vectors (VectorEngine, veng); a collection is a
    table of vectors on it (VectorCollection, vcol). It reads with your own rights, and says what
    they leave out. It changes nothing.

    Exit code: 0 if all that is shown is Ready, 2 if something is not, 1 for an error.
    """  # noqa: D301 - click's sign for lines that stay lines
    if watch and (output != "tree" or not sys.stdout.isatty()):
        raise click.ClickException("--watch is for a terminal, and for a tree: leave it out")
    asked = None if object_ is None else _named(object_)
    try:
        overview = run(_watch(where, asked) if watch else _once(where, asked))
    except KeyboardInterrupt:
        return
    if not watch:
        _show(overview, output, where)
    click.get_current_context().exit(0 if overview.all_ready else NOT_READY)


def _named(text: str) -> tuple[Kind, str]:
    word, separator, name = text.partition("/")
    kind = _NAMES.get(word.lower().partition(".")[0])
    if kind is None or not separator or not name:
        raise click.ClickException(
            f"{text!r} names no object: write vcol/NAME for a collection, veng/NAME for an engine"
        )
    return kind, name


async def _once(where: Where, asked: tuple[Kind, str] | None) -> Overview:
    async with connected(where) as cluster:
        return await _read(cluster, asked)


async def _read(cluster: Cluster, asked: tuple[Kind, str] | None) -> Overview:
    if asked is not None and not cluster.namespace:
        raise click.ClickException("a single object is in one namespace: leave -A out")
    one = asked and Asked(asked[0], Key(cluster.namespace, asked[1]))
    return await read_overview(cluster.api, cluster.namespace, one)


async def _watch(where: Where, asked: tuple[Kind, str] | None) -> Overview:
    """Show it until Ctrl-C. An API server that is gone for a while leaves what was seen last."""
    async with connected(where) as cluster:
        overview = await _read(cluster, asked)
        with Live(console=console(), screen=True, auto_refresh=False) as live:
            trouble = ""
            while True:
                live.update(_picture(overview, trouble), refresh=True)
                await asyncio.sleep(REFRESH_S)
                try:
                    overview, trouble = await _read(cluster, asked), ""
                except ApiError as error:
                    trouble = one_line(f"not refreshed: {error}")


def _picture(overview: Overview, trouble: str) -> Group:
    title = f"{utc_now():%H:%M:%S} UTC, every {REFRESH_S:g} s; Ctrl-C ends it. {trouble}"
    return Group(Text(title, "dim"), *map(drawn, _trees(overview)))


def _trees(overview: Overview) -> list[Branch]:
    return list(branches(overview, utc_now()))


def _show(overview: Overview, output: str, where: Where) -> None:
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(overview), indent=2).decode())
        return
    if overview.is_empty:
        named = "" if where.all_namespaces else where.namespace or ""
        in_ = place(named) if named or where.all_namespaces else "the context's namespace"
        click.echo(f"No VectorEngines and no VectorCollections in {in_}.")
    screen = console()
    for tree in _trees(overview):
        if screen.is_terminal:
            screen.print(drawn(tree))
        else:
            for line in lines(tree):
                click.echo(line)
