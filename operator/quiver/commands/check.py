"""The command `quiver check`: whether an installation is sound, and what to do where it is not."""

import click
import msgspec
from rich.text import Text

from quiver.commands.check_api import check_crds, check_server
from quiver.commands.check_engines import check_engines
from quiver.commands.check_operator import (
    check_deployments,
    check_lease,
    check_policies,
    contended,
)
from quiver.commands.check_rights import check_rights
from quiver.commands.cluster import Cluster, Where, cluster_options, connected, run
from quiver.commands.findings import Finding, Level, failed, worst
from quiver.commands.reading import Reading
from quiver.commands.screen import console
from quiver.domain.kubernetes_types import VECTOR_ENGINE, Manifest
from quiver.domain.text import one_line
from quiver.option_types import NamespaceName

CODES = {"ok": 0, "warning": 2, "failed": 3}
OPERATOR_NAMESPACE = "quiver-system"
_STYLES: dict[Level, str] = {"ok": "green", "warning": "yellow", "failed": "bold red"}
_WIDTH = len("warning")
LINE_LIMIT = 4000


@click.command(short_help="Say whether Quiver is installed soundly, and what to do where not.")
@cluster_options
@click.option(
    "--operator-namespace",
    type=NamespaceName(),
    default=OPERATOR_NAMESPACE,
    show_default=True,
    help="Where the operator is, if neither its Deployment nor an engine tells.",
)
@click.option(
    "--output", "-o", type=click.Choice(["lines", "json"]), default="lines", show_default=True
)
def check(where: Where, operator_namespace: str, output: str) -> None:
    """Check the API server, Quiver's kinds, its operator, policies, your rights and the engines.

    \b
    quiver check -n team-a
    quiver check -A

    Each line is ok, a warning or failed; the two latter come with their cure. -n is the namespace
    whose engines are asked, and in which your rights are looked at. It changes nothing.

    Exit code: 0 if all is well, 2 for warnings, 3 if something failed, 1 if nothing could be
    checked.
    """  # noqa: D301 - click's sign for lines that stay lines
    findings = run(_check(where, operator_namespace))
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        for finding in findings:
            _print(finding)
    click.get_current_context().exit(CODES[worst(findings)])


async def _check(where: Where, operator_namespace: str) -> list[Finding]:
    async with connected(where) as cluster:
        return await all_findings(cluster, operator_namespace)


async def all_findings(
    cluster: Cluster, operator_namespace: str, *, secrets: bool = True
) -> list[Finding]:
    """Look at everything; without `secrets`, no Secret is read. Raises: ApiUnavailable."""
    findings = [*await check_server(cluster.api), *await check_crds(cluster.api)]
    findings += await check_rights(cluster.api, cluster.namespace)
    operators, engines = await _running(cluster, operator_namespace)
    return findings + operators + await check_engines(cluster, engines, secrets=secrets)


async def _running(
    cluster: Cluster, operator_namespace: str
) -> tuple[list[Finding], list[Manifest]]:
    """Return what is found of operators, and the engines there are."""
    reading = Reading(cluster.api)
    listed = await reading.listed(VECTOR_ENGINE, cluster.namespace)
    findings, engines = _unlisted(reading) if listed is None else [], listed or []
    managers = [(m.get("status") or {}).get("managedBy") for m in engines]
    told = [one_line(name) for name in managers if name]
    operators = await check_deployments(reading, told, operator_namespace)
    findings += operators.findings
    findings += [await check_lease(reading, namespace) for namespace in operators.namespaces]
    findings += await check_policies(reading, operators)
    findings += contended(engines)
    return findings, engines


def _unlisted(reading: Reading) -> list[Finding]:
    told = "; ".join(f"{what}: {why}" for what, why in reading.unread.items())
    return [failed("engines", told, "see the lines above: no engine is looked at")]


def told(finding: Finding) -> tuple[str, str]:
    """Return a finding as its line, and that of its cure, which may be empty."""
    line = one_line(f"{finding.what}: {finding.says}", LINE_LIMIT)
    cure = f"{'':<{_WIDTH}}  cure: {finding.cure}" if finding.cure else ""
    return f"{finding.level:<{_WIDTH}}  {line}", cure


def _print(finding: Finding) -> None:
    screen, (line, cure) = console(), told(finding)
    if not screen.is_terminal:
        click.echo(line)
        if cure:
            click.echo(cure)
        return
    text = Text(line)
    text.stylize(_STYLES[finding.level], 0, len(finding.level))
    screen.print(text)
    if cure:
        screen.print(Text(cure, "dim"))
