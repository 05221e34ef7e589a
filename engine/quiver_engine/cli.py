"""`quiver engine`."""

import functools
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from quiver_engine.check_command import check
from quiver_engine.compute import hardware
from quiver_engine.engine import Address, Endpoints, Engine, Keeping
from quiver_engine.errors import StartError
from quiver_engine.files.insert_log import Durability
from quiver_engine.model import (
    COLLECTIONS_AND_PARTITIONS,
    MAX_COLLECTIONS_AND_PARTITIONS,
    MAX_PARTITIONS,
    Limits,
)
from quiver_engine.server import tls
from quiver_engine.system import log

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_FILE = click.Path(path_type=Path)
_QUANTITY = re.compile(r"([0-9]{1,18})([kMGT]|[KMGT]i|)")


class _AddressType(click.ParamType[Address]):
    name = "host:port"

    def convert(
        self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        if isinstance(value, Address):
            return value
        host, colon, port = value.rpartition(":")
        if not (host and colon and port.isdecimal() and int(port) < 65_536):
            self.fail(f"{value!r} is not HOST:PORT, for instance 127.0.0.1:19530", param, ctx)
        return Address(host.strip("[]"), int(port))


class _QuantityType(click.ParamType[int]):
    name = "bytes"

    def __init__(self, what: str = "amount of memory", least: int = 1) -> None:
        self._what = what
        self._least = least

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        found = _QUANTITY.fullmatch(value)
        if not found or int(found[1]) < self._least:
            self.fail(f"{value!r} is no {self._what}, for instance 2Gi", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


def _hardware(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for memory and devices; the command gets them as `wanted`."""

    @click.option(
        "--memory",
        type=_QuantityType(),
        help="How much of segments and indexes searches may hold in memory, for instance 2Gi or a"
        " number of bytes; by default as much as there is. The least recently used ones are"
        " evicted first. Rows not flushed yet, queries and an index being built come on top.",
    )
    @click.option(
        "--device",
        type=click.Choice(get_args(hardware.Kind)),
        default="auto",
        show_default=True,
        help="What computes searches and builds: auto takes the GPUs that FAISS can use and else"
        " the CPU; cpu leaves GPUs alone; gpu does not start without one.",
    )
    @click.option(
        "--gpu-memory",
        type=_QuantityType(),
        help="How much of segments and indexes each GPU may hold, for instance 14Gi; by default"
        " nine tenths of what is free at the start. The least recently used ones are evicted"
        " first.",
    )
    @functools.wraps(command)
    def with_hardware(
        *, device: hardware.Kind, memory: int | None, gpu_memory: int | None, **others: Any
    ) -> None:
        command(wanted=hardware.Wanted(device, memory, gpu_memory), **others)

    return with_hardware


def _keeping(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for what is on disk; the command gets them as `keeping`."""

    @click.option(
        "--durability",
        type=click.Choice([choice.value for choice in Durability]),
        default=Durability.FSYNC.value,
        show_default=True,
        help="When an insert or a delete is answered: once it is on disk (fsync), so that it"
        " survives power loss, or once the operating system has it (os), so that it survives the"
        " engine's end.",
    )
    @click.option(
        "--scrub-rate",
        type=_QuantityType("number of bytes", least=0),
        default="4Mi",
        show_default=True,
        help="How many bytes of its files the engine reads a second, over and over, to find those"
        " that the disk has damaged while they lay there. 0 leaves that to the next start.",
    )
    @functools.wraps(command)
    def with_keeping(*, durability: str, scrub_rate: int, **others: Any) -> None:
        command(keeping=Keeping(Durability(durability), scrub_rate), **others)

    return with_keeping


def _endpoints(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for addresses and TLS; the command gets them as `endpoints`."""

    @click.option(
        "--listen",
        type=_AddressType(),
        default="127.0.0.1:19530",
        show_default=True,
        help="Where clients connect (gRPC). Port 0 takes a free one.",
    )
    @click.option(
        "--http",
        type=_AddressType(),
        default="127.0.0.1:9091",
        show_default=True,
        help="Where /healthz, /readyz and /metrics are, without TLS. Port 0 takes a free one.",
    )
    @click.option(
        "--tls-cert",
        type=_FILE,
        help="PEM file with the certificate (RSA or ECDSA) that clients are shown, and its chain."
        " With it and --tls-key clients connect by TLS and in no other way. All TLS files are read"
        " anew when they change.",
    )
    @click.option("--tls-key", type=_FILE, help="PEM file with the key of that certificate.")
    @click.option(
        "--tls-client-ca",
        type=_FILE,
        help="PEM file with CA certificates: only clients that show a certificate of one of them"
        " are let in.",
    )
    @functools.wraps(command)
    def with_endpoints(
        *,
        listen: Address,
        http: Address,
        tls_cert: Path | None,
        tls_key: Path | None,
        tls_client_ca: Path | None,
        **others: Any,
    ) -> None:
        try:
            files = tls.files_of(tls_cert, tls_key, tls_client_ca)
        except StartError as error:
            raise click.ClickException(str(error)) from error
        command(endpoints=Endpoints(listen, http, files), **others)

    return with_endpoints


@click.group(invoke_without_command=True)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Directory that holds the collections; made if it is missing. One engine at a time."
    "  [required]",
)
@_endpoints
@_keeping
@click.option(
    "--max-collections-and-partitions",
    type=click.IntRange(1, MAX_COLLECTIONS_AND_PARTITIONS),
    default=COLLECTIONS_AND_PARTITIONS,
    show_default=True,
    help="How many collections and partitions there may be together; the partition _default of each"
    f" collection is not counted. A collection has at most {MAX_PARTITIONS} of them besides.",
)
@_hardware
@click.option(
    "--log-format",
    type=click.Choice(get_args(log.Format)),
    default="text",
    show_default=True,
    help="How lines on stderr look.",
)
def engine(
    *,
    data_dir: Path | None,
    endpoints: Endpoints,
    keeping: Keeping,
    max_collections_and_partitions: int,
    wanted: hardware.Wanted,
    log_format: log.Format,
) -> None:
    """Run a vector engine: a server that keeps vectors and finds the nearest ones.

    Programs store vectors (lists of numbers that stand for texts, pictures and the like) in named
    collections and ask which stored ones are nearest to a new one. The engine speaks the protocol
    of Milvus 1.x: its Python client is `pymilvus==1.1.2`, and the address below is all it needs.

    It needs no other service. It says `listening grpc=HOST:PORT http=HOST:PORT` once it serves, and
    stops on Ctrl-C or SIGTERM after finishing the calls it has begun and writing everything to
    disk. There is no password and, without --tls-cert, no encryption: let only those reach the
    address who may read and drop everything, or ask for their certificates (--tls-client-ca).

    Example: quiver engine --data-dir ./vectors
    """
    if click.get_current_context().invoked_subcommand is not None:
        return
    if data_dir is None:
        raise click.UsageError("Missing option '--data-dir'.")
    log.set_up(log_format)
    try:
        limits = Limits(together=max_collections_and_partitions)
        code = Engine(data_dir, endpoints, keeping, wanted, limits).run()
    except StartError as error:
        raise click.ClickException(str(error)) from error
    logging.shutdown()
    # Python would wait for the threads of calls that outlived the grace period.
    os._exit(code)


engine.add_command(check)
