"""The engine port over TLS, against a real engine with certificates."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcluster.certificates import Authority, KeyPair
from machine.engine_process import EngineProcess
from quiver.adapters.milvus1.driver import Milvus1Engines
from quiver.domain.access import ClientTls, Target
from quiver.ports.errors import EngineUnreachable
from support.certificates import OTHER, OURS, SecretFolder, server_pair

NAME = "engine-0.engine.team-a.svc"
SHOWN = OURS.client("quiver")

Serve = Callable[..., EngineProcess]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    engine, secret = EngineProcess(tmp_path / "data"), SecretFolder(tmp_path / "tls")

    def start(pair: KeyPair, *, mutual: bool = False) -> EngineProcess:
        secret.publish(pair.certificate, pair.key)
        return engine.start(*(secret.mutual_options if mutual else secret.options))

    yield start
    engine.kill()


def tls(ca: Authority = OURS, shown: KeyPair | None = None, name: str | None = None) -> ClientTls:
    pair = (shown.certificate, shown.key) if shown else (None, None)
    return ClientTls(ca.pem, *pair, server_name=name)


async def test_an_engine_with_certificates_is_reached(
    engines: Milvus1Engines, serve: Serve
) -> None:
    """With the CA and a certificate of its own, the operator gets answers; each target has its
    connection.
    """
    address = serve(server_pair(), mutual=True).grpc_address
    assert (await engines.at(Target(address, "Quiver", tls(shown=SHOWN))).version()).startswith(
        "1.1"
    )
    with pytest.raises(EngineUnreachable):
        await engines.at(Target(address, "Quiver")).version()
    assert (await engines.at(Target(address, "Quiver", tls(shown=SHOWN))).version()).startswith(
        "1.1"
    )


@pytest.mark.parametrize("name", [NAME, "*.engine.team-a.svc"])
async def test_a_pod_is_dialled_by_ip_and_known_by_its_name(
    engines: Milvus1Engines, serve: Serve, name: str
) -> None:
    """Its certificate is for its DNS name, or for all pods of its Service."""
    address = serve(OURS.server("engine", [name], [])).grpc_address
    await engines.at(Target(address, "Quiver", tls(name=NAME))).version()
    with pytest.raises(EngineUnreachable, match="for other names than this one"):
        await engines.at(
            Target(address, "Quiver", tls(name="engine-0.engine.team-b.svc"))
        ).version()


@pytest.mark.parametrize(
    ("wrongly", "words"),
    [
        (tls(OTHER, SHOWN), "its certificate is of no CA that is trusted"),
        (ClientTls(None, SHOWN.certificate, SHOWN.key), "its certificate is of no CA"),
        (tls(), "wants a client certificate"),
        (tls(shown=OTHER.client("stranger")), "wants a client certificate"),
    ],
)
async def test_a_failed_handshake_says_why(
    engines: Milvus1Engines, serve: Serve, wrongly: ClientTls, words: str
) -> None:
    """What does not fit, in words, and no certificate or key among them."""
    address = serve(server_pair(), mutual=True).grpc_address
    with pytest.raises(EngineUnreachable) as caught:
        await engines.at(Target(address, "Quiver", wrongly)).version()
    assert words in str(caught.value)
    assert "BEGIN" not in f"{caught.value}{wrongly!r}"


async def test_an_engine_without_tls_is_not_spoken_to_in_the_clear(
    engines: Milvus1Engines, engine_process: EngineProcess
) -> None:
    """Where TLS is asked for, its absence is an error and no reason to do without."""
    with pytest.raises(EngineUnreachable, match="does not speak TLS"):
        await engines.at(Target(engine_process.grpc_address, "Quiver", tls())).version()
