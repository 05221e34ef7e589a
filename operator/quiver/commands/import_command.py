"""The command `quiver import`: what exists on an engine, as YAML of VectorCollections."""

import click

from quiver.commands.cluster import Where, cluster_options, run
from quiver.commands.documents import as_yaml
from quiver.commands.importing import Imported, NotPossible, imported
from quiver.domain.kubernetes_types import Key
from quiver.domain.text import few, one_line

NAMES = 500
SENTENCE = 1000
MOST_FAILURES = 100


@click.command(
    name="import", short_help="Print what exists on an engine as YAML of VectorCollections."
)
@click.argument("engine", metavar="ENGINE")
@click.option(
    "--collection",
    "-c",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this one; DATABASE/NAME for one of another database of Milvus. Repeat it.",
)
@cluster_options
def import_(where: Where, engine: str, names: tuple[str, ...]) -> None:
    """Print a VectorCollection for each collection that is on an engine already.

    \b
    quiver import engine -n team-a > collections.yaml
    quiver import milvus -n shop --collection docs --collection archive/docs

    Somebody made these collections without Quiver. ENGINE is the VectorEngine that leads to their
    server, or NAMESPACE/NAME for one of another namespace. Applying what is printed hands them over
    to Quiver as they are, with their rows: nothing is changed on the engine but, on Milvus, a mark
    in the collection's properties. adoptionPolicy is IfIdentical, so that what is not as the YAML
    says is left alone, and deletionPolicy Retain, so that deleting an object drops nothing. Read
    the comments, and see what `quiver plan -f collections.yaml` says before you apply it.

    Collections that VectorCollections hold or ask for already are left out.

    Exit code: 0 if all is printed, 1 if something is not in it; nothing is printed if the engine
    does not answer.
    """  # noqa: D301 - click's sign for lines that stay lines
    try:
        found = run(imported(where, _key(engine), names))
    except NotPossible as error:
        raise click.ClickException(one_line(str(error), SENTENCE)) from error
    _print(found)
    if found.failures:
        click.get_current_context().exit(1)


def _key(engine: str) -> Key:
    namespace, _, name = engine.rpartition("/")
    if not name or "/" in namespace:
        raise click.ClickException(f"{engine!r} is no VectorEngine: say NAME or NAMESPACE/NAME")
    return Key(namespace, name)


def _print(found: Imported) -> None:
    if found.documents:
        click.echo(as_yaml(found.documents, _incomplete(found)), nl=False)
    _say(f"Printed: {len(found.documents)}.")
    if found.held:
        told = few(found.held, NAMES)
        _say(f"Left out, since VectorCollections hold them: {len(found.held)} ({told}).")
    if found.asked:
        told = few(found.asked, NAMES)
        _say(
            f"Left out, since VectorCollections ask for them without holding them: "
            f"{len(found.asked)} ({told}). `quiver status` says why."
        )
    if found.note:
        _say(found.note)
    for name, why in list(found.failures.items())[:MOST_FAILURES]:
        _say(f"Error: {name!r} is not printed: {why}")
    if found.failures:
        _say(f"Error: {_incomplete(found)}")


def _incomplete(found: Imported) -> str:
    missing = len(found.failures)
    if not missing:
        return ""
    return f"Incomplete: {missing} of {missing + len(found.documents)} collections are not in it."


def _say(line: str) -> None:
    click.echo(one_line(line, SENTENCE), err=True)
