"""What the Secrets of an engine give the operator, or why they give it nothing."""

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from localcluster.certificates import Authority
from quiver.adapters.pem import OpenSslPem
from quiver.domain.access import PLAIN, Access, ClientTls
from quiver.domain.conditions import State, Verdict
from quiver.domain.engines import Pod, VectorEngine
from quiver.domain.kubernetes_types import SECRET, Key, Kind, Manifest
from quiver.domain.members import members_of
from quiver.domain.reasons import Reason
from quiver.ports.errors import ApiRefused
from quiver.reconcile.credentials import Credentials
from support.builders import NAMESPACE, engine, pod

AUTHORITY = Authority(Authority.create("ours"))
CA = AUTHORITY.pem
SHOWN = AUTHORITY.client("quiver")
PAIR = {"tls.crt": SHOWN.certificate, "tls.key": SHOWN.key}
ENDPOINT = {"external": {"endpoints": ["milvus.example.org:19530"]}}
KEY = Key(NAMESPACE, "engine")


class Secrets:
    """The Secrets of a namespace; counts how often one was read."""

    def __init__(self, **contents: dict[str, bytes]) -> None:
        self.contents = {name.replace("_", "-"): content for name, content in contents.items()}
        self.reads = 0
        self.refusal: str | None = None

    async def fetch(self, kind: Kind, key: Key) -> Manifest | None:
        assert (kind, key.namespace) == (SECRET, NAMESPACE)
        self.reads += 1
        if self.refusal is not None:
            raise ApiRefused(self.refusal)
        if key.name not in self.contents:
            return None
        content = self.contents[key.name].items()
        return {"data": {entry: base64.b64encode(value).decode() for entry, value in content}}


def external(**tls: str) -> VectorEngine:
    return msgspec.convert(engine(spec={**ENDPOINT, "tls": tls}), VectorEngine)


class CredentialSetup:
    def __init__(self, **contents: dict[str, bytes]) -> None:
        self.secrets = Secrets(**contents)
        self.changed: list[Key] = []
        objects: Any = self.secrets
        self.credentials = Credentials(objects, OpenSslPem(), self.changed.append)


async def test_an_engine_without_tls_is_dialled_in_the_clear() -> None:
    """Nothing is read for it."""
    setup, plain = CredentialSetup(), msgspec.convert(engine(spec=ENDPOINT), VectorEngine)
    assert await setup.credentials.of(plain) == setup.credentials.known(plain) == PLAIN
    assert setup.secrets.reads == 0


async def test_ca_and_certificate_come_from_the_secrets() -> None:
    """Each as the field says; without either the public CAs are trusted and nothing is shown."""
    setup = CredentialSetup(ca={"ca.crt": CA}, client=PAIR)
    both = await setup.credentials.of(external(caSecretName="ca", clientSecretName="client"))
    assert both.tls == ClientTls(CA, SHOWN.certificate, SHOWN.key)
    assert (await CredentialSetup().credentials.of(external())).tls == ClientTls()


async def test_an_engine_with_pods_is_trusted_by_the_ca_beside_its_certificate() -> None:
    """Unless another Secret is named; the pods' key is checked and not kept."""
    other = Authority(Authority.create("other")).pem
    server = AUTHORITY.server("engine", ["*.engine.team-a.svc"], [])
    pair = {"tls.crt": server.certificate, "tls.key": server.key}
    setup = CredentialSetup(tls={**pair, "ca.crt": CA}, bare=pair, ca={"ca.crt": other})

    async def found(**tls: str) -> Access:
        return await setup.credentials.of(msgspec.convert(engine(spec={"tls": tls}), VectorEngine))

    assert (await found(secretName="tls")).tls == ClientTls(CA)
    assert (await found(secretName="tls", caSecretName="ca")).tls == ClientTls(other)
    for tls, words in (
        ({"secretName": "bare"}, "it has no ca.crt"),
        ({"secretName": "ca"}, "it has no tls.crt"),
        ({"secretName": "tls", "clientCASecretName": "bare"}, "it has no ca.crt"),
    ):
        trouble = (await found(**tls)).trouble
        assert trouble is not None
        assert words in trouble.message


async def test_thousands_of_collections_read_a_secret_once() -> None:
    """What was read is kept, until the engine's own reconcile reads it again."""
    setup, secured = CredentialSetup(ca={"ca.crt": CA}), external(caSecretName="ca")
    assert setup.credentials.known(secured) is None
    for _ in range(100):
        await setup.credentials.of(secured)
    assert setup.secrets.reads == 1
    setup.credentials.forget(KEY)
    assert setup.credentials.known(secured) is None


async def test_what_is_not_there_is_kept_too() -> None:
    """A missing Secret is not asked for by each collection."""
    setup, secured = CredentialSetup(), external(caSecretName="ca")
    for _ in range(100):
        assert (await setup.credentials.of(secured)).trouble is not None
    assert setup.secrets.reads == 1


async def test_another_secret_in_the_spec_counts_at_once() -> None:
    """What was read for the spec before, or for another engine of the name, is no answer."""
    other = Authority(Authority.create("other")).pem
    setup = CredentialSetup(ca={"ca.crt": CA}, other={"ca.crt": other})
    await setup.credentials.of(external(caSecretName="ca"))
    found = await setup.credentials.of(external(caSecretName="other"))
    assert found.tls == ClientTls(other)
    anew = msgspec.convert(
        engine(spec={**ENDPOINT, "tls": {"caSecretName": "other"}}, uid="another"), VectorEngine
    )
    assert setup.credentials.known(anew) is None


async def test_who_uses_a_secret_is_told_of_its_change() -> None:
    """Once per change, and not of the first look."""
    setup, secured = CredentialSetup(), external(caSecretName="ca")
    await setup.credentials.read(secured)
    await setup.credentials.read(secured)
    assert setup.changed == []
    setup.secrets.contents["ca"] = {"ca.crt": CA}
    for _ in range(2):
        assert (await setup.credentials.read(secured)).trouble is None
    assert setup.changed == [KEY]


def locked() -> bytes:
    key = serialization.load_pem_private_key(SHOWN.key, None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


@pytest.mark.parametrize(
    ("content", "field", "words"),
    [
        ({}, "caSecretName", "it has no ca.crt"),
        ({"ca.crt": b""}, "caSecretName", "its ca.crt holds no certificate"),
        ({"ca.crt": SHOWN.key}, "caSecretName", "its ca.crt holds no certificate"),
        ({"ca.crt": CA[:200] + CA[-30:]}, "caSecretName", "that cannot be read"),
        ({"tls.crt": SHOWN.certificate}, "clientSecretName", "it has no tls.key"),
        ({"tls.key": SHOWN.key}, "clientSecretName", "it has no tls.crt"),
        (
            {**PAIR, "tls.key": AUTHORITY.client("other").key},
            "clientSecretName",
            "a key that is not the certificate's",
        ),
        ({**PAIR, "tls.key": b"no PEM"}, "clientSecretName", "that cannot be used"),
        ({**PAIR, "tls.key": locked()}, "clientSecretName", "a key that is encrypted"),
    ],
)
async def test_a_broken_secret_is_named_with_what_is_wrong(
    content: dict[str, bytes], field: str, words: str
) -> None:
    """Secret, field and cause; somebody has to change something. Nothing of it is shown."""
    found = await CredentialSetup(broken=content).credentials.of(external(**{field: "broken"}))
    assert found.tls is None
    assert found.trouble is not None
    assert found.trouble.reason is Reason.SECRET_INVALID
    message = found.trouble.message
    for expected in ("'broken'", f"spec.tls.{field}", words):
        assert expected in message
    assert "BEGIN" not in message


async def test_a_missing_secret_is_waited_for() -> None:
    """Its name, its namespace and the field that names it."""
    found = await CredentialSetup().credentials.of(external(clientSecretName="gone"))
    assert found.trouble is not None
    assert found.trouble.reason is Reason.SECRET_NOT_FOUND
    for expected in ("'gone'", f"'{NAMESPACE}'", "spec.tls.clientSecretName"):
        assert expected in found.trouble.message


async def test_a_secret_that_must_not_be_read_is_told_of() -> None:
    """In the API server's words: nobody looks for them in the operator's log."""
    setup = CredentialSetup()
    setup.secrets.refusal = 'secrets "ca" is forbidden'
    found = await setup.credentials.of(external(caSecretName="ca"))
    assert found.trouble is not None
    assert found.trouble.state is State.STALLED
    assert 'secrets "ca" is forbidden' in found.trouble.message


async def test_a_ca_is_its_certificates_and_nothing_else() -> None:
    """It is passed on to applications: a key that somebody left beside it is not."""
    setup = CredentialSetup(ca={"ca.crt": SHOWN.key + b"# note\n" + CA + CA})
    found = await setup.credentials.of(external(caSecretName="ca"))
    assert found.tls is not None
    assert found.tls.ca == CA * 2


def test_nothing_secret_is_shown() -> None:
    """What is logged by mistake holds neither key nor certificate."""
    shown = repr(Access(ClientTls(CA, SHOWN.certificate, SHOWN.key, "a.b.svc")))
    assert "a.b.svc" in shown
    assert "BEGIN" not in shown


def test_no_member_is_ready_while_it_cannot_be_dialled() -> None:
    """Neither an endpoint nor a pod that is ready by itself: nothing is placed there."""
    trouble = Access(trouble=Verdict.stalled(Reason.SECRET_INVALID, "no"))
    (endpoint,) = members_of(external(caSecretName="gone"), [], trouble)
    managed = msgspec.convert(engine(), VectorEngine)
    pods = [msgspec.convert(pod(), Pod)]
    (member,) = members_of(managed, pods, trouble)
    assert (endpoint.ready, member.ready) == (False, False)


def test_a_pod_is_known_by_its_dns_name() -> None:
    """It is dialled by IP, and its certificate is for the name that clients are told."""
    managed = msgspec.convert(engine(), VectorEngine)
    (member,) = members_of(managed, [msgspec.convert(pod(), Pod)], Access(ClientTls(CA)))
    assert member.tls == ClientTls(CA, server_name=f"engine-0.engine.{NAMESPACE}.svc")
    assert (member.address, member.ready) == ("10.0.0.7:19530", True)
