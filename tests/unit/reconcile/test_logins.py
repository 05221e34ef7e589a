"""What the operator logs in to an engine with, and which Secrets it is never read from."""

import asyncio
import base64
from typing import Any, NoReturn

import msgspec
import pytest

from localcluster.certificates import Authority
from quiver.adapters.pem import OpenSslPem
from quiver.domain.access import Access, Login, Target
from quiver.domain.conditions import State, Verdict
from quiver.domain.engines import AUTH_SECRET_TYPE, Pod, VectorEngine
from quiver.domain.kubernetes_types import SECRET, Key, Kind, Manifest
from quiver.domain.members import members_of
from quiver.domain.reasons import Reason
from quiver.ports.errors import ApiRefused
from quiver.reconcile.credentials import Credentials
from quiver.reconcile.logins import AGAIN_S, RefusedLogins
from support.builders import NAMESPACE, engine, pod

ENDPOINT = {"type": "Milvus", "external": {"endpoints": ["milvus.example.org:19530"]}}
USER = {"username": b"quiver", "password": b"pa:ss word"}
KEY = Key(NAMESPACE, "engine")


class Unread(dict[str, str]):
    """The entries of a Secret that nobody may look into."""

    def __getitem__(self, _entry: str) -> NoReturn:
        raise AssertionError("an entry was read")


class Setup:
    """One Secret, `login`, and what becomes of it."""

    def __init__(self, content: dict[str, bytes], type_: str | None = AUTH_SECRET_TYPE) -> None:
        self.secret: Manifest | None = secret(content, type_)
        self.refusal: str | None = None
        self.changed: list[Key] = []
        self.others: dict[str, Manifest] = {}
        objects: Any = self
        self.credentials = Credentials(objects, OpenSslPem(), self.changed.append)

    async def fetch(self, kind: Kind, key: Key) -> Manifest | None:
        assert (kind, key.namespace) == (SECRET, NAMESPACE)
        if self.refusal is not None:
            raise ApiRefused(self.refusal)
        return self.secret if key.name == "login" else self.others.get(key.name)

    async def access(self, **spec: Any) -> Access:
        return await self.credentials.read(milvus(**spec))

    async def trouble(self) -> Verdict:
        found = await self.access()
        assert found.login is None
        assert found.trouble is not None
        return found.trouble


def secret(content: dict[str, bytes], type_: str | None = AUTH_SECRET_TYPE) -> Manifest:
    data = {entry: base64.b64encode(value).decode() for entry, value in content.items()}
    return {"data": data, **({"type": type_} if type_ else {})}


def milvus(**spec: Any) -> VectorEngine:
    auth = {"auth": {"secretName": "login"}}
    return msgspec.convert(engine(spec={**ENDPOINT, **auth, **spec}), VectorEngine)


@pytest.mark.parametrize(
    ("content", "token"),
    [
        (USER, "quiver:pa:ss word"),
        ({"token": b"0123abc"}, "0123abc"),
        ({"token": b"user:password"}, "user:password"),
        ({**USER, "comment": b"\x00"}, "quiver:pa:ss word"),
        ({"token": b"a" * 4096}, "a" * 4096),
    ],
    ids=["user", "token", "user as token", "beside another entry", "longest"],
)
async def test_a_login_is_a_user_or_a_token(content: dict[str, bytes], token: str) -> None:
    """In one of the two forms; other entries of the Secret are nobody's business."""
    assert await Setup(content).access() == Access(login=Login(token))


@pytest.mark.parametrize("type_", ["Opaque", None, "kubernetes.io/tls", f"{AUTH_SECRET_TYPE}s"])
async def test_a_secret_of_another_type_is_not_looked_into(type_: str | None) -> None:
    """Whoever may create engines could send any Secret of the namespace to a server of theirs."""
    setup = Setup(USER, type_)
    assert setup.secret is not None
    setup.secret["data"] = Unread(setup.secret["data"])
    found = await setup.trouble()
    assert found[:2] == (State.STALLED, Reason.SECRET_INVALID)
    for words in (
        f"its type is {type_ or 'Opaque'}",
        "create another",
        f"--type={AUTH_SECRET_TYPE}",
    ):
        assert words in found.message


async def test_a_type_that_somebody_made_up_is_told_in_few_words() -> None:
    """A tenant writes it."""
    found = await Setup(USER, "x\n" * 50_000).trouble()
    assert len(found.message) < 700
    assert "\n" not in found.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "has none of them"),
        ({"username": b"a"}, "has username"),
        ({"password": b"hush"}, "has password"),
        ({**USER, "token": b"hush"}, "has password and token and username"),
        ({**USER, "username": b"a:hush"}, "its username has a colon"),
        ({**USER, "username": b""}, "its username has 0 bytes, and may have 1 to 256"),
        ({**USER, "username": b"a" * 257}, "its username has 257 bytes"),
        ({**USER, "password": b"hush\n"}, "its password has a line break"),
        ({**USER, "password": b"hush\x00"}, "another control character"),
        (
            {**USER, "password": b"hush" * 257},
            "its password has 1028 bytes, and may have 1 to 1024",
        ),
        ({"token": b"hush\xff"}, "its token is not UTF-8"),
        ({"token": b"hush" * 1025}, "its token has 4100 bytes, and may have 1 to 4096"),
    ],
)
async def test_a_login_that_cannot_be_one_is_named(content: dict[str, bytes], words: str) -> None:
    """Secret, field and cause; somebody has to change something. Nothing of it is shown."""
    found = await Setup(content).trouble()
    assert found[:2] == (State.STALLED, Reason.SECRET_INVALID)
    for expected in ("'login'", "spec.auth.secretName", words):
        assert expected in found.message
    assert "hush" not in found.message


async def test_an_entry_that_is_no_base64_is_named() -> None:
    """The API server would not store it; one that does not check is no reason to stumble."""
    setup = Setup(USER)
    assert setup.secret is not None
    setup.secret["data"]["password"] = "hush!"  # noqa: S105 - no password
    assert "its password is not in base64" in (await setup.trouble()).message


async def test_a_login_that_is_not_there_is_waited_for() -> None:
    """Or what keeps the operator from reading it is told."""
    setup = Setup(USER)
    setup.secret = None
    found = await setup.trouble()
    assert found[:2] == (State.RECONCILING, Reason.SECRET_NOT_FOUND)
    assert "spec.auth.secretName names" in found.message
    setup.refusal = 'secrets "login" is forbidden'
    assert (await setup.trouble())[:2] == (State.STALLED, Reason.SECRET_FORBIDDEN)


async def test_a_new_password_counts_for_all_collections() -> None:
    """They are told of it once; a Secret that is the same is no change."""
    setup = Setup(USER)
    await setup.access()
    await setup.access()
    assert setup.changed == []
    setup.secret = secret({**USER, "password": b"new"})
    assert (await setup.access()).login == Login("quiver:new")
    assert setup.changed == [KEY]
    assert setup.credentials.known(milvus()) == Access(login=Login("quiver:new"))
    assert setup.credentials.known(milvus(auth={"secretName": "another"})) is None


async def test_a_login_goes_over_tls_or_not_at_all() -> None:
    """While the Secret of either is in trouble, no member is dialled."""
    setup, ca = Setup(USER), Authority(Authority.create("ours")).pem
    both = {"tls": {"caSecretName": "ca"}}
    found = await setup.access(**both)
    assert found.trouble is not None
    assert found.trouble.reason is Reason.SECRET_NOT_FOUND
    (member,) = members_of(milvus(**both), [], found)
    assert (member.ready, member.login) == (False, None)
    setup.others["ca"] = secret({"ca.crt": ca}, "Opaque")
    found = await setup.access(**both)
    assert found.tls is not None
    assert found.login == Login("quiver:pa:ss word")


def test_every_call_to_a_member_carries_the_login() -> None:
    """To an endpoint and to a pod; it is part of the connection, and is not shown."""
    access = Access(login=Login("quiver:hush"))
    (endpoint,) = members_of(milvus(), [], access)
    of_pods = msgspec.convert(engine(spec={"type": "Milvus", "image": "a"}), VectorEngine)
    (own,) = members_of(of_pods, [msgspec.convert(pod(), Pod)], access)
    for member in (endpoint, own):
        target = member.target("0" * 32)
        assert target.login == target.connection.login == Login("quiver:hush")
        assert "hush" not in f"{target!r}{member!r}{access!r}"
    plain = Target(endpoint.address, "Milvus", None, endpoint.endpoint)
    assert endpoint.target().connection != plain


async def test_a_refused_login_is_read_again_once_a_minute() -> None:
    """Thousands of collections are refused at once, and a server may refuse for ever."""
    loop, enqueued = asyncio.get_running_loop(), list[Key]()
    logins, now = RefusedLogins(enqueued.append), loop.time()
    other = Key(NAMESPACE, "other")
    for key in (KEY, KEY, other, KEY):
        logins.note(key, "no")
    assert enqueued == [KEY, other]
    loop.time = lambda: now + AGAIN_S + 1  # type: ignore[method-assign]
    logins.note(KEY, "no")
    assert enqueued == [KEY, other, KEY]
