"""The command `quiver report`: all that a bug report needs, in one file, and no secret."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from quiver import __version__
from quiver.commands.bundle import Bundle
from quiver.commands.check import OPERATOR_NAMESPACE, all_findings, told
from quiver.commands.check_operator import check_deployments
from quiver.commands.cluster import Cluster, Where, cluster_options, connected, run
from quiver.commands.reading import Reading, place
from quiver.commands.report_objects import Objects
from quiver.commands.report_pods import ENGINE_PORT, OPERATOR_PORT, PodTexts
from quiver.domain.kubernetes_types import VECTOR_ENGINE
from quiver.domain.quantities import binary_size
from quiver.domain.redaction import Redaction
from quiver.domain.text import one_line
from quiver.option_types import NamespaceName
from quiver.ports.errors import ApiRefused, ApiUnavailable

PARTIAL = 2


@click.command(short_help="Put all that a bug report needs into one file; no secrets.")
@cluster_options
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: quiver-report-TIME.tar.gz]",
)
@click.option(
    "--lines",
    type=click.IntRange(0, 1_000_000),
    default=5000,
    show_default=True,
    help="How many lines of each log, the last ones.",
)
@click.option(
    "--timeout",
    type=click.IntRange(5, 3600),
    default=300,
    show_default=True,
    help="Seconds after which the file is written with what is there.",
)
@click.option(
    "--operator-namespace",
    type=NamespaceName(),
    default=OPERATOR_NAMESPACE,
    show_default=True,
    help="Where the operator is, if neither its Deployment nor an engine tells.",
)
def report(
    where: Where, output: Path | None, lines: int, timeout: int, operator_namespace: str
) -> None:
    """Write a tar.gz for those who are to help: objects, Events, logs, metrics and versions.

    \b
    quiver report -n team-a
    quiver report -A -o /tmp/for-support.tar.gz

    It reads with your rights, and changes nothing. Secrets are never read. Values that look like
    secrets in pods, objects and logs are left out; look into the file before you pass it on, for
    names of collections, namespaces and nodes are in it. summary.txt in it says what could not be
    read, and why. Only you may read the file.

    Exit code: 0 if all is in it, 2 if something could not be read, 1 if there is no file.
    """  # noqa: D301 - click's sign for lines that stay lines
    begun = datetime.now(UTC)
    path = output or Path(f"quiver-report-{begun:%Y%m%d-%H%M%S}.tar.gz")
    try:
        with Bundle(path, path.name.partition(".")[0] or "quiver-report") as bundle:
            summary = run(_Report(bundle, lines, operator_namespace).made(where, timeout))
            size = bundle.finish(summary)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error}") from error
    click.echo(f"{path}: {binary_size(size)}")
    if bundle.lacks:
        click.echo(f"{len(bundle.lacks)} things are not in it; summary.txt in it says why.")
        click.get_current_context().exit(PARTIAL)


class _Report:
    def __init__(self, bundle: Bundle, lines: int, operator_namespace: str) -> None:
        self._bundle = bundle
        self._lines = lines
        self._operator_namespace = operator_namespace
        self._redaction = Redaction()
        self._stage = "the beginning"

    async def made(self, where: Where, timeout_s: float) -> str:
        """Fill the bundle. Returns the summary."""
        async with connected(where) as cluster:
            version = await _version(cluster)
            reading = Reading(cluster.api, patient=True)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._fill(cluster, reading)
            except TimeoutError:
                self._bundle.lacks[f"what comes after {self._stage}"] = (
                    f"it took more than {timeout_s:g} s"
                )
            self._bundle.lacks.update(reading.unread)
            self._bundle.add("versions.json", version)
            return self._summary(cluster)

    async def _fill(self, cluster: Cluster, reading: Reading) -> None:
        with self._telling("objects and Events"):
            operators = await self._operators(cluster, reading)
            objects = Objects(reading, self._redaction, self._bundle)
            pods = await objects.add(cluster.namespace, operators)
        with self._telling("what `quiver check` says"):
            await self._check(cluster)
        texts = PodTexts(cluster, self._redaction, self._bundle)
        with self._telling(f"logs and metrics of {len(pods.operators) + len(pods.engines)} pods"):
            await texts.add(pods.operators, OPERATOR_PORT, self._lines)
            await texts.add(pods.engines, ENGINE_PORT, self._lines)

    async def _check(self, cluster: Cluster) -> None:
        try:
            findings = await all_findings(cluster, self._operator_namespace, secrets=False)
        except ApiUnavailable as error:
            self._bundle.lacks["check.txt"] = one_line(str(error))
            return
        text = "\n".join(line for each in findings for line in told(each) if line)
        self._bundle.add("check.txt", self._redaction.text(text))

    async def _operators(self, cluster: Cluster, reading: Reading) -> tuple[str, ...]:
        engines = await reading.listed(VECTOR_ENGINE, cluster.namespace) or []
        managers = [(m.get("status") or {}).get("managedBy") for m in engines]
        named = [one_line(name) for name in managers if name]
        return (await check_deployments(reading, named, self._operator_namespace)).namespaces

    def _summary(self, cluster: Cluster) -> str:
        lacks = self._bundle.lacks
        state = f"PARTIAL: {len(lacks)} things are missing" if lacks else "whole"
        head = (
            f"Report of Quiver, made at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
            f"by quiver {__version__}, of {place(cluster.namespace)}",
            f"This report is {state}.",
            f"{self._redaction.count} values were left out as secrets. No Secret was read.",
            "",
        )
        rows = (f"- {one_line(what, 300)}: {one_line(why, 600)}" for what, why in lacks.items())
        return "\n".join([*head, *rows, ""])

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        """Say on a terminal what is being read."""
        self._stage = what
        if not sys.stderr.isatty():
            yield
            return
        with Console(stderr=True, highlight=False, markup=False).status(f"reading {what} …"):
            yield


async def _version(cluster: Cluster) -> str:
    """Return what the API server says of itself. Raises: ApiUnavailable if there is none."""
    try:
        return (await cluster.api.read("/version", 2**16)).decode(errors="replace")
    except ApiRefused as error:
        return one_line(str(error))
