"""TLS between clients and the engine, and certificates of both sides."""

import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import serialization

from localcluster.certificates import Authority, KeyPair
from machine.engine_process import EngineProcess
from machine.pymilvus1 import pymilvus_python
from quiver_proto import milvus_pb2 as pb
from support.certificates import OTHER, OURS, SecretFolder, server_pair
from support.milvus1_client import Milvus1

CLIENT = OURS.client("application")
TIMEOUT_S = 5.0


@pytest.fixture
def files(tmp_path: Path) -> SecretFolder:
    made, pair = SecretFolder(tmp_path / "tls"), server_pair()
    made.publish(pair.certificate, pair.key)
    return made


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., EngineProcess]]:
    engine = EngineProcess(tmp_path / "data")
    yield engine.start
    engine.kill()


@contextmanager
def connected(
    engine: EngineProcess, ca: Authority = OURS, shown: KeyPair | None = None
) -> Iterator[Milvus1]:
    pair = (shown.key, shown.certificate) if shown else (None, None)
    client = Milvus1(engine.grpc_address, grpc.ssl_channel_credentials(ca.pem, *pair))
    yield client
    client.close()


def answers(client: Milvus1) -> bool:
    """Tell whether the engine can be talked to; False where no connection comes about."""
    try:
        client.stub.ShowCollections(pb.Command(), timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNAVAILABLE:
            return False
        raise
    return True


def refused(tmp_path: Path, *options: str) -> str:
    """Start an engine that must refuse; return the one line it says."""
    command = [sys.executable, "-m", "quiver_engine", "--data-dir", str(tmp_path / "data")]
    ports = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    done = subprocess.run(
        [*command, *ports, *options], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert not (tmp_path / "data").exists()
    return done.stderr


def test_clients_connect_by_tls_and_in_no_other_way(
    files: SecretFolder, serve: Callable[..., EngineProcess]
) -> None:
    """Who trusts the certificate is served; plain clients and those of another CA are not, and
    probes stay plain HTTP.
    """
    engine = serve(*files.options)
    with connected(engine) as client:
        assert client.create("c").error_code == 0
        assert client.collections() == ["c"]
    with connected(engine, OTHER) as client:
        assert not answers(client)
    plain = Milvus1(engine.grpc_address)
    assert not answers(plain)
    plain.close()
    assert engine.get("/readyz") == (200, "ready\n")


def test_with_a_client_ca_only_its_clients_are_let_in(
    files: SecretFolder, serve: Callable[..., EngineProcess]
) -> None:
    """A client that shows no certificate, or one of another CA, gets no connection."""
    engine = serve(*files.mutual_options)
    with connected(engine, shown=CLIENT) as client:
        assert answers(client)
    with connected(engine) as client:
        assert not answers(client)
    with connected(engine, shown=OTHER.client("stranger")) as client:
        assert not answers(client)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_below_1_2_is_refused(files: SecretFolder, serve: Callable[..., EngineProcess]) -> None:
    """A client that speaks no more than TLS 1.1 does not get through the handshake."""
    host, port = serve(*files.options).grpc_address.rsplit(":", 1)

    def shake_hands(newest: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cadata=OURS.pem.decode())
        context.set_alpn_protocols(["h2"])
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = newest
        with (
            socket.create_connection((host, int(port)), TIMEOUT_S) as raw,
            context.wrap_socket(raw, server_hostname=host) as wrapped,
        ):
            return wrapped.version()

    assert shake_hands(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake_hands(ssl.TLSVersion.TLSv1_1)


def test_a_new_certificate_counts_from_the_next_connection_on(
    files: SecretFolder, serve: Callable[..., EngineProcess]
) -> None:
    """The exchange of a Secret needs no restart, and disturbs no connection that stands; a new
    client CA counts as well.
    """
    engine, successor = serve(*files.mutual_options), server_pair(OTHER)
    with connected(engine, shown=CLIENT) as standing:
        assert answers(standing)
        files.publish(successor.certificate, successor.key, OTHER.pem)
        with connected(engine, OTHER, OTHER.client("application")) as client:
            assert answers(client)
        with connected(engine, OTHER, CLIENT) as client:
            assert not answers(client)
        assert answers(standing)


def test_a_bad_new_certificate_is_told_of_and_the_old_one_stays(
    files: SecretFolder, serve: Callable[..., EngineProcess]
) -> None:
    """A key that is not the certificate's, no PEM, no file: one line each, and clients are served
    as before, until there is a good pair again.
    """
    engine, successor = serve(*files.options), server_pair(OTHER)

    def told() -> list[str]:
        return [line for line in engine.log.read_text().splitlines() if "from before" in line]

    for number, (certificate, key, why) in enumerate(
        [
            (successor.certificate, server_pair().key, "is not that of certificate"),
            (b"no PEM", successor.key, "holds no certificate"),
            (successor.certificate, b"no PEM", "cannot be used"),
        ]
    ):
        files.publish(certificate, key)
        for _ in range(2):
            with connected(engine) as client:
                assert answers(client)
        assert len(told()) == number + 1
        assert why in told()[-1]
    (files.folder / "..data").unlink()
    with connected(engine) as client:
        assert answers(client)
    assert "cannot be read: No such file" in told()[-1]
    files.publish(successor.certificate, successor.key)
    with connected(engine, OTHER) as client:
        assert answers(client)
    assert "PRIVATE KEY" not in engine.log.read_text()


@pytest.mark.parametrize(
    ("option", "missing"),
    [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert"), ("--tls-client-ca", "--tls-cert")],
)
def test_half_of_the_options_is_refused(
    tmp_path: Path, files: SecretFolder, option: str, missing: str
) -> None:
    """The line names the option that is missing."""
    assert f"needs {missing}" in refused(tmp_path, f"{option}={files.folder}/tls.crt")


def test_files_that_cannot_be_used_are_refused(tmp_path: Path, files: SecretFolder) -> None:
    """The line names the file and what is wrong with it; nothing is served, nothing is made."""
    (tmp_path / "other.key").write_bytes(server_pair().key)
    (tmp_path / "empty.crt").write_text("")
    given = dict(option.split("=") for option in files.mutual_options)
    for option, path, why in (
        ("--tls-key", tmp_path / "other.key", "is not that of certificate"),
        ("--tls-cert", tmp_path / "missing.crt", "missing.crt cannot be read: No such file"),
        ("--tls-cert", tmp_path / "empty.crt", "empty.crt holds no certificate"),
        ("--tls-client-ca", tmp_path / "empty.crt", "empty.crt holds no certificate"),
        ("--tls-key", tmp_path, "cannot be read: Is a directory"),
    ):
        options = (f"{name}={value}" for name, value in {**given, option: str(path)}.items())
        assert why in refused(tmp_path, *options)


def test_an_encrypted_key_is_refused(tmp_path: Path, files: SecretFolder) -> None:
    """Nobody is there to type a password: the line says so."""
    key = serialization.load_pem_private_key(server_pair().key, None)
    (tmp_path / "locked.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    line = refused(tmp_path, files.options[0], f"--tls-key={tmp_path}/locked.key")
    assert "is encrypted; give one without a password" in line


PYMILVUS = """
import grpc

credentials = grpc.ssl_channel_credentials(
    root_certificates=open("ca.crt", "rb").read(),
    private_key=open("client.key", "rb").read(),  # these two for --tls-client-ca
    certificate_chain=open("client.crt", "rb").read(),
)
grpc.insecure_channel = lambda target, options=None: grpc.secure_channel(
    target, credentials, options
)
"""


def test_pymilvus_connects_by_tls_with_the_lines_of_the_docs(
    tmp_path: Path, files: SecretFolder, serve: Callable[..., EngineProcess]
) -> None:
    """The unchanged client of Milvus 1.x, made to open secure channels."""
    assert PYMILVUS.strip() in (Path(__file__).parents[2] / "docs/engine-tls.md").read_text()
    host, port = serve(*files.mutual_options).grpc_address.rsplit(":", 1)
    CLIENT.write(tmp_path, "client")
    (tmp_path / "ca.crt").write_bytes(OURS.pem)
    use = f"""
from milvus import Milvus
client = Milvus(host={host!r}, port={port!r})
assert client.create_collection({{"collection_name": "test01", "dimension": 4}}).OK()
assert client.list_collections()[1] == ["test01"]
"""
    command = [str(pymilvus_python()), "-W", "ignore", "-c", PYMILVUS + use]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=60)
