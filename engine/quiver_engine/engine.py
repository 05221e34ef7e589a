"""The life of an engine process: open the data directory, serve, drain."""

import logging
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quiver_engine.calls.service import Service
from quiver_engine.compute import hardware
from quiver_engine.config_nodes import ConfigNodes
from quiver_engine.errors import DiskFailedError, RequestError, StartError
from quiver_engine.files.insert_log import Durability, InsertLog
from quiver_engine.files.progress import Progress
from quiver_engine.metrics.metrics import Metrics
from quiver_engine.model import Limits
from quiver_engine.server import server, settings, tls
from quiver_engine.server.answering import Answering
from quiver_engine.server.health import HealthServer, Readiness
from quiver_engine.store.indexing import Indexing
from quiver_engine.store.maintenance import Maintenance
from quiver_engine.store.scrub import Scrub
from quiver_engine.store.store import Store
from quiver_engine.store.writing import Writer
from quiver_engine.system import allocator

logger = logging.getLogger(__name__)

GRACE_S = 10.0
SIGNAL_POLL_S = 0.1
FAILURE_GRACE_S = 1.0


@dataclass(frozen=True)
class Address:
    """An address to listen on; port 0 takes a free one."""

    host: str
    port: int

    def with_port(self, port: int) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{port}"


@dataclass(frozen=True)
class Endpoints:
    """Where clients connect by gRPC, with TLS if there are `tls_files`, and probes by HTTP."""

    grpc: Address
    http: Address
    tls_files: tls.Files | None = None


@dataclass(frozen=True)
class Keeping:
    """When inserts are answered, and how many bytes a second are read in search of damage."""

    durability: Durability
    scrub_rate: int


class Engine:
    """One engine process on one data directory."""

    def __init__(
        self,
        data_dir: Path,
        endpoints: Endpoints,
        keeping: Keeping,
        wanted: hardware.Wanted,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._data_dir = data_dir
        self._keeping = keeping
        self._wanted = wanted
        self._listen = endpoints.grpc
        self._http = endpoints.http
        self._tls_files = endpoints.tls_files
        # No Event: the handler of a signal runs in the main thread, and would wait for ever for an
        # Event's lock that this thread holds.
        self._is_to_stop = False
        self._disk_failure: DiskFailedError | None = None

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code. Raises StartError."""
        # Before calls are served there is nothing to drain.
        _on_stop_signal(lambda: sys.exit(0))
        _allow_many_files()
        allocator.reuse_blocks()
        credentials = None if self._tls_files is None else tls.credentials(self._tls_files)
        readiness, metrics = Readiness(), Metrics()
        health = HealthServer(self._http.host, self._http.port, readiness, metrics)
        progress = Progress()
        readiness.not_ready(lambda: str(progress))
        store, log, writer = self._open(progress, metrics)
        indexing = Indexing(store, writer)
        config_nodes = ConfigNodes()
        maintenance = Maintenance(store, writer, indexing, config_nodes, self._on_disk_failure)
        scrub = Scrub(store, self._keeping.scrub_rate, self._on_disk_failure)
        metrics.show_scrub(scrub)
        rpcs = Service(store, writer, indexing, config_nodes, metrics).rpcs()
        answering = Answering(rpcs, metrics, self._on_disk_failure)
        handler = server.MeantFor(store.directory.instance, server.handler(rpcs, answering))
        rpc_server = server.Server(self._listen.host, self._listen.port, handler, credentials)
        config_nodes.add(settings.nodes_of(store, self._listen.host, rpc_server.port))
        _on_stop_signal(self._want_stop)
        rpc_server.start()
        maintenance.start()
        scrub.start()
        readiness.ready(lambda: _ready_line(store))
        logger.info("computing on %s", store.device.name)
        if self._tls_files is not None:
            logger.info("clients connect by TLS%s", _let_in(self._tls_files))
        logger.info(
            "listening grpc=%s http=%s",
            self._listen.with_port(rpc_server.port),
            self._http.with_port(health.port),
        )
        # A signal may go to another thread, and would not wake this one from a longer wait.
        while not self._is_to_stop:
            time.sleep(SIGNAL_POLL_S)
        readiness.not_ready(lambda: "draining: the engine was told to stop")
        indexing.stop()
        if self._disk_failure is not None:
            logger.critical("stopping, for what is on disk is unknown: %s", self._disk_failure)
            rpc_server.drain(FAILURE_GRACE_S)
            return 1
        rpc_server.drain(GRACE_S)
        background_is_over = scrub.stop() & maintenance.stop()
        return self._close(writer, log, store, background_is_over=background_is_over)

    def _open(self, progress: Progress, metrics: Metrics) -> tuple[Store, InsertLog, Writer]:
        try:
            device = hardware.choose(self._wanted)
            store = Store(self._data_dir, device, progress, self._limits)
            metrics.show(store)
            on_sync = metrics.traffic.synced
            directory = store.directory
            log = InsertLog(directory.log_path, self._keeping.durability, on_sync, directory.disk)
            return store, log, Writer(store, log, progress)
        except (DiskFailedError, RequestError, OSError) as error:
            raise StartError(
                f"data directory {self._data_dir} cannot be opened: {error}; nothing is changed or"
                " lost, see to the disk and start again"
            ) from error

    def _close(
        self, writer: Writer, log: InsertLog, store: Store, *, background_is_over: bool
    ) -> int:
        try:
            flushed = writer.flush_all()
            log.close(is_flushed=flushed)
            if background_is_over:
                store.remove_retired()
        except DiskFailedError as error:
            logger.critical("stopped, for what is on disk is unknown: %s", error)
            return 1
        if background_is_over:
            store.close()
        if not flushed:
            logger.warning("stopped; rows that could not be flushed are in the insert log")
            return 1
        logger.info("stopped; everything is on disk")
        return 0

    def _on_disk_failure(self, failure: DiskFailedError) -> None:
        self._disk_failure = failure
        self._want_stop()

    def _want_stop(self) -> None:
        self._is_to_stop = True


def _let_in(files: tls.Files) -> str:
    return f" with a certificate of {files.client_ca}" if files.client_ca else ""


def _ready_line(store: Store) -> str:
    troubles = []
    if store.directory.disk.is_full:
        troubles.append(f"the disk is full ({store.directory.disk.room}): inserts are refused")
    if damaged := store.damaged:
        files = "file is" if damaged == 1 else "files are"
        troubles.append(f"{damaged} segment {files} damaged and left out: the log names them")
    return f"ready, but {'; '.join(troubles)}" if troubles else "ready"


def _on_stop_signal(action: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: action())


def _allow_many_files() -> None:
    # Every mapped segment has a descriptor, and the usual soft limit is 1024.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
