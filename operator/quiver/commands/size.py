"""The command `quiver size`: how large a collection gets, and what suits it."""

import re
from collections.abc import Iterator
from typing import Any

import click
import msgspec
import yaml

from quiver.commands.cluster import Where, cluster_options, run
from quiver.commands.screen import console, table
from quiver.commands.size_of_live import Measured, NotMeasured, measured
from quiver.domain.fit import BINARY_METRICS
from quiver.domain.quantities import binary_size, mebibytes, parse_quantity
from quiver.domain.sizing import Size, Workload, sized
from quiver.domain.sizing_indexes import KNOWN, ON_GPUS
from quiver.domain.takes import TAKES
from quiver.domain.text import one_line

_A_DAY = {"s": 86_400, "min": 1_440, "h": 24, "day": 1}
_RATE = re.compile(r"([^/]+)/(s|min|h|day)")
METRICS = tuple(dict.fromkeys(metric for takes in TAKES.values() for metric in takes.indexes))
MOST_ROWS = 10**12
KINDS = ("vcol", "vectorcollection", "vectorcollections")
LIVE = ("rows", "dimension", "metric", "index", "engine_type", "gpu_mib")
"""What is taken from a collection that exists."""
SENTENCE = 1000


class Count(click.ParamType[int]):
    """A number of rows, such as 2500000, 2.5M or 1e9."""

    name = "ROWS"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        number = _number(str(value))
        if number is None or not 1 <= number <= MOST_ROWS:
            self.fail(f"{value!r} is not a number of rows such as 2500000, 2.5M or 1e9", param, ctx)
        return number


class Rate(click.ParamType[int]):
    """Rows a day, such as 20k/day or 50/s."""

    name = "ROWS/TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        found = _RATE.fullmatch(str(value))
        number = None if found is None else _number(found[1])
        if found is None or number is None or number < 0:
            self.fail(f"{value!r} is not a rate such as 0/day, 20k/day, 5/min or 50/s", param, ctx)
        return number * _A_DAY[found[2]]


class Memory(click.ParamType[int]):
    """MiB, from a quantity such as 24Gi."""

    name = "QUANTITY"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        try:
            found = mebibytes(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if found < 1:
            self.fail(f"{value!r} is no memory; write it as in 24Gi", param, ctx)
        return found


@click.command(short_help="Say which indexFileSize to take, and how large a collection gets.")
@click.argument("collection", required=False, metavar="[vcol/NAME]")
@click.option("--rows", type=Count(), help="How many vectors there will be.")
@click.option("--dimension", type=click.IntRange(1, 32768), help="Numbers per vector, or bits.")
@click.option("--metric", type=click.Choice(METRICS), help="L2 when absent.")
@click.option(
    "--index", type=click.Choice(KNOWN), help="Without it, searches compare with each row."
)
@click.option(
    "--inserts", type=Rate(), help="Rows that are inserted, as in 20k/day; 0/day for none."
)
@click.option("--gpu-memory", type=Memory(), help="Memory of one GPU; without it, on CPUs.")
@click.option(
    "--type",
    "engine_type",
    type=click.Choice(["Quiver", "Milvus1", "Milvus"]),
    help="Type of the VectorEngine; Quiver when absent.",
)
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "yaml", "json"]),
    default="table",
    show_default=True,
)
@cluster_options
def size(where: Where, collection: str | None, output: str, **asked: Any) -> None:
    """Choose indexFileSize and the parameters of an index, and say what a collection takes.

    \b
    quiver size --rows 10M --dimension 768 --index HNSW --inserts 20k/day
    quiver size --rows 2e9 --dimension 128 --index IVF_SQ8 --gpu-memory 24Gi
    quiver size vcol/docs --inserts 20k/day

    With vcol/NAME it takes what is not said from that VectorCollection and counts its rows on the
    engine; else it asks no cluster. The rules are those of Milvus 1.x's documents and of what was
    measured of Quiver's own engine; each figure comes with its reason. Memory and disk are
    estimates.
    """  # noqa: D301 - click's sign for lines that stay lines
    asked["gpu_mib"], asked["inserted"] = asked.pop("gpu_memory"), asked.pop("inserts")
    live = None if collection is None else _live(where, collection)
    workload = _workload(asked, live)
    _check(workload)
    try:
        found = sized(workload)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if output == "table":
        _show(workload, found, live)
    elif output == "yaml":
        click.echo(yaml.safe_dump(_spec(workload, found), sort_keys=False), nl=False)
    else:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


def _live(where: Where, collection: str) -> Measured:
    """Raises: ClickException, UsageError."""
    kind, separator, name = collection.partition("/")
    if not separator or kind not in KINDS:
        raise click.UsageError(f"{collection!r} is not a collection such as vcol/docs")
    if where.all_namespaces:
        raise click.UsageError("a collection is in one namespace: name it with -n")
    try:
        return run(measured(where, name))
    except NotMeasured as error:
        raise click.ClickException(one_line(str(error), SENTENCE)) from error


def _workload(asked: dict[str, Any], live: Measured | None) -> Workload:
    """Return what is asked, with what is live where nothing is said. Raises: UsageError."""
    known = {} if live is None else {name: getattr(live, name) for name in LIVE}
    both = {**known, **{name: value for name, value in asked.items() if value is not None}}
    for name in ("rows", "dimension"):
        if both.get(name) is None:
            cure = (
                "the collection has fields of its own: say of which with --dimension, --metric and"
                " --index"
                if live is not None
                else f"give --{name}, or a collection such as vcol/docs"
            )
            raise click.UsageError(cure)
    # A collection of no rows yet is as good as one of a single row.
    both["rows"] = max(1, both["rows"])
    return Workload(**{name: value for name, value in both.items() if value is not None})


def _show(workload: Workload, found: Size, live: Measured | None) -> None:
    rows = _rows(workload, found)
    if live is None:
        console().print(table(("what", "take", "why"), rows))
        return
    now = live.now
    with_now = ((what, now.get(what, ""), take, why) for what, take, why in rows)
    console().print(table(("what", "now", "take", "why"), with_now))
    console().print(f"It has {now['rows']} rows now.")


def _check(workload: Workload) -> None:
    """Raises: ClickException for an index, a metric and an engine that do not go together."""
    takes = TAKES[workload.engine_type].indexes
    indexes = takes.get(workload.metric)
    if indexes is None:
        raise click.ClickException(
            f"engines of type {workload.engine_type} do not take {workload.metric}: these take "
            f"{', '.join(takes)}"
        )
    if workload.index is not None and workload.index not in indexes:
        known = [index for index in indexes if index in KNOWN]
        these = f"these take {', '.join(known)}" if known else "leave --index out"
        raise click.ClickException(
            f"engines of type {workload.engine_type} have no {workload.index} for "
            f"{workload.metric}: {these}"
        )
    if workload.index not in (None, *KNOWN):
        raise click.ClickException(
            f"how large an index of type {workload.index} gets is not known: name another with"
            f" --index, of {', '.join(KNOWN)}"
        )
    if workload.index in ON_GPUS and workload.gpu_mib is None:
        raise click.ClickException(
            f"an index of type {workload.index} is on GPUs: say with --gpu-memory how much one has"
        )
    if workload.row_bytes == 0 or (workload.metric in BINARY_METRICS and workload.dimension % 8):
        raise click.ClickException(
            f"--dimension must be a multiple of 8 for {workload.metric}, whose vectors are bits"
        )


def _rows(workload: Workload, found: Size) -> Iterator[tuple[str, str, str]]:
    reasons = found.reasons
    if found.index_file_size is not None:
        yield "indexFileSize", f"{found.index_file_size}", reasons["indexFileSize"]
    else:
        yield "indexFileSize", "leave it out", reasons["indexFileSize"]
    if workload.index is not None:
        params = ", ".join(f"{name} {value}" for name, value in found.params.items())
        yield "index", f"{workload.index} {params}".strip(), reasons.get("params", "")
    yield "segments", f"{found.segments}", reasons["segments"]
    yield "memory", binary_size(found.memory), reasons["memory"]
    yield "disk", binary_size(found.disk), reasons["disk"]
    yield "pods", f"1 of {binary_size(found.pod_memory)}", reasons["pods"]
    if found.gpus:
        yield "GPUs", f"{found.gpus}", reasons["gpus"]


def _spec(workload: Workload, found: Size) -> dict[str, Any]:
    """Return what of a VectorCollection's spec follows."""
    spec: dict[str, Any] = {"dimension": workload.dimension, "metricType": workload.metric}
    if found.index_file_size is not None:
        spec["indexFileSize"] = found.index_file_size
    if workload.index is not None:
        spec["index"] = {"type": workload.index, "params": dict(found.params)}
    return {"spec": spec}


def _number(text: str) -> int | None:
    try:
        return int(parse_quantity(text))
    except ValueError:
        return None
