"""Real servers of Milvus that start from PyPI's packages: 2.3.5, and milvus-lite, which speaks 3.x.

Each has a data folder of its own and free ports, and ends with the thread that started it.
"""

from __future__ import annotations

import lzma
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import grpc

from machine.environments import Environment
from machine.lifetime import die_with_parent
from machine.ports import free_ports
from machine.processes import ChildProcess, ProcessFailed
from quiver_proto import milvus2_pb2 as pb
from quiver_proto.milvus2_pb2_grpc import MilvusServiceStub

READY_S = 90.0
POLL_S = 0.1
CALL_S = 10.0
LAST_WORDS = 4000
PROBE = "is_it_ready"
ATTEMPTS = 3
_PORT_TAKEN = re.compile("address already in use|failed to bind", re.IGNORECASE)
_HERE = Path(__file__)
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)(?:\(\w+\))?\s*(?::\s*([^}]*?))?\s*\}\}")

QUICK: Mapping[str, str] = {
    # A load waits for rounds of these, of a second or half of one: it takes 1.8 s, and not 2.8.
    "QUERYCOORD_CHECKCHANNELINTERVAL": "50",
    "QUERYCOORD_CHECKSEGMENTINTERVAL": "50",
    "QUERYCOORD_DISTPULLINTERVAL": "50",
    "QUERYCOORD_LEADERVIEWUPDATEINTERVAL": "1",
    "QUERYCOORD_UPDATENEXTTARGETINTERVAL": "1",
    "INDEXCOORD_SCHEDULER_INTERVAL": "50",
    # A server that was killed waits so long until its etcd forgets it.
    "COMMON_SESSION_TTL": "10",
}
"""Settings of 2.3.5 that make it quicker, in milliseconds and seconds."""


def _unpack(home: Path) -> None:
    """Unpack the programs once: the package does it for each data folder."""
    package = next(home.glob("lib/python*/site-packages/milvus/data"))
    programs = home / "milvus"
    programs.mkdir()
    for packed in (package / "bin").glob("*.lzma"):
        program = programs / packed.stem
        program.write_bytes(lzma.decompress(packed.read_bytes()))
        program.chmod(0o755)
    for name in ("config.yaml.template", "glog.conf"):
        (programs / name).write_bytes((package / name).read_bytes())


MILVUS = Environment(
    "milvus-2.3.5", _HERE.with_name("milvus-2.3.5-requirements.txt"), finish=_unpack
)
LITE = Environment("milvus-lite-3.2.2", _HERE.with_name("milvus-lite-3.2.2-requirements.txt"))
"""It has pymilvus 3.0.2 too: milvus-lite needs it."""


def pymilvus_python() -> Path:
    """Return an interpreter that has pymilvus 3.0.2, making its environment if need be."""
    return LITE.program("python")


class _Server(ChildProcess):
    """A server on a port of 127.0.0.1, with its data in `folder`."""

    def __init__(self, folder: Path, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(
            [], folder / "server.log", cwd=folder, preexec_fn=die_with_parent, **options
        )
        self.folder = folder
        self.address = ""

    def start(self) -> Self:
        """Start, and wait until collections can be made: a healthy server may refuse them yet.

        Raises: ProcessFailed.
        """
        for attempt in range(ATTEMPTS):
            self._prepare()
            super().start()
            try:
                self._wait_until_ready()
            except ProcessFailed:
                # Between its choice and its use, a port may become another's.
                if attempt + 1 == ATTEMPTS or not _PORT_TAKEN.search(self.output):
                    raise
            else:
                break
        return self

    def _prepare(self) -> None:
        """Set address and command."""
        raise NotImplementedError

    def _channel(self) -> grpc.Channel:
        """Return a channel whose calls the server takes."""
        return grpc.insecure_channel(self.address)

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + READY_S
        with self._channel() as channel:
            stub = MilvusServiceStub(channel)
            while not _is_ready(stub):
                if not self.is_running or time.monotonic() > end:
                    if self.is_running:
                        self.kill()
                    raise ProcessFailed(
                        f"{self.argv[0]} takes no collection:\n{self.output[-4000:]}"
                    )
                time.sleep(POLL_S)


class MilvusServer(_Server):
    """`milvus==2.3.5`: a whole standalone server. It may hang on SIGTERM: kill it."""

    def _prepare(self) -> None:
        programs = MILVUS.program("milvus").parents[1] / "milvus"
        names = set(_PLACEHOLDER.findall((programs / "config.yaml.template").read_text()))
        port_names = sorted(name for name, _ in names if name.endswith("_port"))
        metrics, etcd, peer, *others = free_ports(3 + len(port_names))
        ports = dict(zip(port_names, others, strict=True))
        self._write_configuration(programs, {k: str(v) for k, v in ports.items()})
        self._write_etcd(etcd, peer)
        self.address = f"127.0.0.1:{ports['proxy_port']}"
        self.argv = [str(programs / "milvus"), "run", "standalone"]
        self._environment = {
            **QUICK,
            "DEPLOY_MODE": "STANDALONE",
            "ETCD_CONFIG_PATH": str(self.folder / "etcd.yaml"),
            "LD_LIBRARY_PATH": str(programs),
            "METRICS_PORT": str(metrics),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
        }

    def _write_configuration(self, programs: Path, ports: Mapping[str, str]) -> None:
        configs = self.folder / "configs"
        configs.mkdir(exist_ok=True)
        values = {
            **ports,
            "etcd_data_dir": str(self.folder / "data" / "etcd"),
            "etcd_log_path": str(self.folder / "etcd.log"),
            "local_storage_dir": str(self.folder / "data"),
            "rocksmq_data_dir": str(self.folder / "data" / "rocksmq"),
            "system_log_path": str(self.folder / "logs"),
        }
        template = (programs / "config.yaml.template").read_text()
        filled = _PLACEHOLDER.sub(lambda found: values.get(found[1], found[2]), template)
        (configs / "milvus.yaml").write_text(filled)
        (configs / "glog.conf").write_bytes((programs / "glog.conf").read_bytes())

    def _write_etcd(self, port: int, peer: int) -> None:
        client_url, peer_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
        lines = [
            f"listen-client-urls: {client_url}",
            f"advertise-client-urls: {client_url}",
            f"listen-peer-urls: {peer_url}",
            f"initial-advertise-peer-urls: {peer_url}",
            f"initial-cluster: default={peer_url}",
            "unsafe-no-fsync: true",
        ]
        (self.folder / "etcd.yaml").write_text("\n".join(lines) + "\n")


class MilvusLiteServer(_Server):
    """`milvus-lite==3.2.2`: the protocol of 3.x over one process in Python."""

    def _prepare(self) -> None:
        [port] = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        command = [str(LITE.program("milvus-lite")), "server"]
        where = ["--host", "127.0.0.1", "--port", str(port)]
        self.argv = [*command, "--data-dir", str(self.folder / "data"), *where]


def _is_ready(stub: MilvusServiceStub) -> bool:
    key = pb.FieldSchema(name="id", is_primary_key=True, data_type=pb.INT64, auto_id=True)
    size = pb.KeyValuePair(key="dim", value="8")
    vector = pb.FieldSchema(name="v", data_type=pb.FLOAT_VECTOR, type_params=[size])
    schema = pb.CollectionSchema(name=PROBE, fields=[key, vector])
    create = pb.CreateCollectionRequest(
        collection_name=PROBE, schema=schema.SerializeToString(), shards_num=1
    )
    drop = pb.DropCollectionRequest(collection_name=PROBE)
    try:
        answers = [
            stub.CreateCollection(create, timeout=CALL_S),
            stub.DropCollection(drop, timeout=CALL_S),
        ]
    except grpc.RpcError:
        return False
    return not any(answer.code or answer.error_code for answer in answers)
