"""The command `quiver operator`."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import click

from quiver import __version__
from quiver.adapters.kubernetes.connection import NoCluster
from quiver.bootstrap import real_operator
from quiver.control.observe.logs import Format, set_up_logging
from quiver.domain.addresses import AddressPolicy, Network
from quiver.domain.rights import Rights
from quiver.option_types import Address, Cidr, Labels, NamespaceName
from quiver.settings import Settings

log = logging.getLogger(__name__)

LEVELS = ("debug", "info", "warning", "error")


@click.command(
    short_help="Make the cluster's collections and engines match their YAML.",
    context_settings={"auto_envvar_prefix": "QUIVER", "show_default": True},
)
@click.option(
    "--http",
    type=Address(),
    default="127.0.0.1:8080",
    help="Where to serve /healthz, /readyz and /metrics.",
)
@click.option(
    "--engine-image",
    default=Settings.engine_image,
    help="Container image of engines whose VectorEngine names none.",
)
@click.option(
    "--resync-period",
    type=click.FloatRange(min=1),
    default=Settings.resync_period,
    help="Seconds between lists of the cluster's objects and of each engine's collections.",
)
@click.option(
    "--verify-period",
    type=click.FloatRange(min=10),
    default=Settings.verify_period,
    help="Seconds within which each collection is compared with its engine, spread evenly.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=1024),
    default=Settings.workers,
    help="How many collections are reconciled at once. With collections of several namespaces to "
    "reconcile, each namespace gets an equal share, and one share stays free for the next.",
)
@click.option(
    "--workers-per-namespace",
    type=click.IntRange(min=1, max=1024),
    default=Settings.workers_per_namespace,
    help="How many collections of one namespace are reconciled at once, at most.",
)
@click.option(
    "--workers-per-engine",
    type=click.IntRange(min=1, max=64),
    default=Settings.workers_per_engine,
    help="How many collections of one engine are reconciled at once.",
)
@click.option(
    "--leader-elect/--no-leader-elect",
    default=Settings.leader_elect,
    help="Work only while holding a Lease in the operator's namespace (POD_NAMESPACE), so that "
    "another operator stands by and takes over.",
)
@click.option(
    "--namespace",
    "namespaces",
    type=NamespaceName(),
    multiple=True,
    help="Namespace to watch. No other is then looked at, and the operator needs rights in these "
    "and in its own alone. Repeat the option for several. Without it the whole cluster is watched.",
)
@click.option(
    "--secrets-role",
    help="Role to name in conditions where the operator may not use a namespace's Secrets: a "
    "ClusterRole, or a Role with --namespace. An admin of the namespace binds it to the service "
    "account POD_NAMESPACE:POD_SERVICE_ACCOUNT.",
)
@click.option(
    "--take-over",
    type=NamespaceName(),
    help="Namespace of another operator that is gone for good: manage what that one managed. "
    "Without it, this operator leaves the objects alone that another one manages.",
)
@click.option(
    "--allow-engine-cidr",
    type=Cidr(),
    multiple=True,
    help="Network, such as 127.0.0.0/8, in which external engines may be although Quiver does not "
    "connect there by default. It takes precedence over --deny-engine-cidr. Repeat the option for "
    "several networks.",
)
@click.option(
    "--deny-engine-cidr",
    type=Cidr(),
    multiple=True,
    help="Network, such as 10.96.0.0/12, in which no external engine may be, whatever the "
    "endpoints of a VectorEngine say. Loopback, link-local, multicast and reserved addresses and "
    "those of clouds' metadata are denied anyway. Repeat the option for several networks.",
)
@click.option(
    "--pod-labels",
    type=Labels(),
    default="",
    show_default="no labels",
    help="Labels that each of the operator's own pods has. The NetworkPolicies of engines "
    "(spec.networkPolicy) allow connections from pods of the operator's namespace with these "
    "labels; without labels, from all pods there.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Readable lines, or JSON for log collectors.",
)
@click.option(
    "--log-level", type=click.Choice(LEVELS), default="info", help="The lowest level to log."
)
def operator(
    log_format: Format,
    log_level: str,
    allow_engine_cidr: tuple[Network, ...],
    deny_engine_cidr: tuple[Network, ...],
    namespaces: tuple[str, ...],
    secrets_role: str | None,
    **options: Any,
) -> None:
    """Watch the cluster and do what its VectorCollections and VectorEngines say.

    Runs until SIGTERM or Ctrl-C. Inside a pod it uses the pod's service account; elsewhere the
    kubeconfig file that the environment variable KUBECONFIG names. Run one at a time for each
    namespace that is watched, or several with --leader-elect.

    An environment variable can set every option: QUIVER_LOG_LEVEL sets --log-level. Spaces separate
    several values.
    """
    _set_up_logging(log_format, log_level)
    settings = Settings(
        addresses=AddressPolicy(allow_engine_cidr, deny_engine_cidr),
        rights=Rights(namespaces=tuple(dict.fromkeys(namespaces)), secrets_role=secrets_role),
        **options,
    )
    try:
        asyncio.run(_run(settings))
    except NoCluster as error:
        raise click.ClickException(f"no Kubernetes cluster: {error}") from error
    except OSError as error:
        host, port = options["http"]
        raise click.ClickException(f"cannot serve probes at {host}:{port}: {error}") from error


async def _run(settings: Settings) -> None:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("not in a task")
    stopped = _on_signals(task.cancel)
    try:
        async with real_operator(settings, _end_at_once) as run:
            log.info("quiver %s starts", __version__)
            await run()
    except asyncio.CancelledError:
        if not stopped():
            raise
        log.info("stopped")


def _end_at_once(why: str) -> NoReturn:
    """End the process without cleanup: another one may lead, and this one must not write."""
    log.error("the lease is lost: %s; ending at once", why)
    logging.shutdown()
    os._exit(1)


def _on_signals(stop: Callable[[], object]) -> Callable[[], bool]:
    """Call `stop` in this loop at SIGTERM or SIGINT. The result tells whether that has happened."""
    loop = asyncio.get_running_loop()
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if not received:
            loop.call_soon_threadsafe(stop)
        received.append(number)

    # Not loop.add_signal_handler: kopf calls it too when it starts, and would replace this handler.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return lambda: bool(received)


def _set_up_logging(log_format: Format, log_level: str) -> None:
    level = getattr(logging, log_level.upper())
    set_up_logging(log_format, level)
    # kopf logs each of its steps at info. Only its warnings and errors matter here.
    if level >= logging.INFO:
        logging.getLogger("kopf").setLevel(logging.WARNING)
