"""The keys for claims are the same for all operators, and readable before anything begins."""

import asyncio
import base64
import copy
import logging
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from quiver.control.claim_keys import SECRET_NAME, KeySecret
from quiver.control.observe.readiness import Readiness
from quiver.domain.claims import KEY_BYTES, ClaimKeys
from quiver.domain.kubernetes_types import SECRET, Key, Kind, Manifest
from quiver.ports.errors import ApiError, ApiRefused, ApiUnavailable, Conflict, NotFound
from support.builders import claim

KEY = Key("quiver-system", SECRET_NAME)
OLD, NEW = b"o" * KEY_BYTES, b"n" * KEY_BYTES


class FakeSecrets:
    """An API server with one Secret; `failures` are answered first, one for each call."""

    def __init__(self, **data: bytes) -> None:
        self.secret: Manifest | None = None
        self.failures: list[ApiError] = []
        self.was_read = asyncio.Event()
        self.before_create: Callable[[], object] = lambda: None
        self._versions = count(1)
        if data:
            self.hold(**data)

    def hold(self, **data: bytes) -> None:
        encoded = {entry: base64.b64encode(value).decode() for entry, value in data.items()}
        version = str(next(self._versions))
        metadata = {"name": SECRET_NAME, "resourceVersion": version}
        self.secret = {"metadata": metadata, **({"data": encoded} if data else {})}

    async def get(self, kind: Kind, key: Key) -> Manifest:
        assert (kind, key) == (SECRET, KEY)
        self._fail()
        if self.secret is None:
            raise NotFound("no such Secret")
        self.was_read.set()
        return copy.deepcopy(self.secret)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        assert (kind, Key.of(manifest)) == (SECRET, KEY)
        self._fail()
        self.before_create()
        if self.secret is not None:
            raise Conflict("already exists")
        self.secret = copy.deepcopy(manifest)
        return manifest

    async def patch(self, kind: Kind, key: Key, patch: Manifest) -> Manifest:
        assert (kind, key) == (SECRET, KEY)
        self._fail()
        self.before_create()
        if self.secret is None:
            raise NotFound("no such Secret")
        if patch["metadata"]["resourceVersion"] != self.secret["metadata"]["resourceVersion"]:
            raise Conflict("changed")
        self.secret["data"] = {**self.secret.get("data", {}), **patch["data"]}
        return copy.deepcopy(self.secret)

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


class Reader(Readiness):
    """Somebody who reads what is missing, and mends it."""

    def __init__(self, mend: Callable[[], object]) -> None:
        super().__init__()
        self._mend = mend

    def blocked(self, problem: str) -> None:
        super().blocked(problem)
        self._mend()


class Process:
    """What one operator process has of the keys."""

    def __init__(self, secrets: FakeSecrets, mend: Callable[[], object] = lambda: None) -> None:
        api: Any = secrets
        self.keys, self.readiness = ClaimKeys(), Reader(mend)
        self.secret = KeySecret(api, KEY.namespace, self.keys)

    async def load(self) -> None:
        await self.secret.load(self.readiness, retry=0)

    def signed(self) -> str:
        return self.keys.signed(claim())

    def believes(self, text: str) -> bool:
        return self.keys.believed(text) is not None


def signed_with(*keys: bytes) -> str:
    return ClaimKeys(keys).signed(claim())


async def test_the_key_is_made_once() -> None:
    """The first operator makes it, at random; the next one, and the same after a restart, has the
    same.
    """
    secrets = FakeSecrets()
    first, second = Process(secrets), Process(secrets)
    await first.load()
    made = copy.deepcopy(secrets.secret)
    await second.load()
    assert secrets.secret == made
    assert second.believes(first.signed())
    stranger = Process(FakeSecrets())
    await stranger.load()
    assert not stranger.believes(first.signed())


async def test_of_two_operators_that_make_it_at_once_one_does() -> None:
    """The other takes what is there by then."""
    secrets = FakeSecrets()
    secrets.before_create = lambda: secrets.hold(current=NEW)
    late = Process(secrets)
    await late.load()
    assert late.signed() == signed_with(NEW)
    assert "claims" not in (late.readiness.problem or "")


async def test_the_key_is_put_into_the_empty_secret_of_the_chart() -> None:
    """So the operator needs no right to create Secrets. The Secret's other fields stay."""
    secrets = FakeSecrets()
    secrets.hold()
    before = copy.deepcopy(secrets.secret)
    first, second = Process(secrets), Process(secrets)
    await first.load()
    made = copy.deepcopy(secrets.secret)
    assert made is not None
    assert {key: made[key] for key in made if key != "data"} == before
    await second.load()
    assert secrets.secret == made
    assert second.believes(first.signed())


async def test_of_two_operators_that_fill_the_secret_at_once_one_does() -> None:
    """The other takes what is there by then."""
    secrets = FakeSecrets()
    secrets.hold()
    secrets.before_create = lambda: secrets.hold(current=NEW)
    late = Process(secrets)
    await late.load()
    assert late.signed() == signed_with(NEW)


async def test_a_key_is_turned_without_a_gap() -> None:
    """The new one signs, the one before is believed as long as the Secret has it."""
    secrets = FakeSecrets(current=OLD)
    process = Process(secrets)
    await process.load()
    before = process.signed()
    secrets.hold(current=NEW, previous=OLD)
    await process.secret.refresh()
    assert process.signed() == signed_with(NEW)
    assert process.believes(before)
    secrets.hold(current=NEW)
    await process.secret.refresh()
    assert not process.believes(before)


@pytest.mark.parametrize(
    "data",
    [
        {"current": b""},
        {"current": b"k" * (KEY_BYTES - 1)},
        {"previous": OLD},
        {"current": NEW, "previous": b"short"},
    ],
)
async def test_a_secret_without_a_usable_key_is_told_of(data: dict[str, bytes]) -> None:
    """Nothing is signed with less; the operator waits, and goes on once it is corrected."""
    secrets = FakeSecrets()
    secrets.hold(**data)
    process = Process(secrets, mend=lambda: secrets.hold(current=NEW))
    await process.load()
    told = process.readiness.problem or ""
    assert f"Secret {SECRET_NAME!r} must have 32 bytes or more" in told
    assert process.signed() == signed_with(NEW)


@pytest.mark.parametrize("encoded", ["%%%", "a", "b" * 64 + "!"])
async def test_what_is_not_base64_is_no_key(encoded: str) -> None:
    """Nobody reads a key out of half of it."""
    secrets = FakeSecrets()
    secrets.secret = {"data": {"current": encoded}}
    process = Process(secrets, mend=lambda: secrets.hold(current=NEW))
    await process.load()
    assert "must have 32 bytes" in (process.readiness.problem or "")


@pytest.mark.parametrize(
    "failures",
    [
        [ApiRefused('secrets "quiver-claim-keys" is forbidden')],
        [NotFound("no such Secret"), ApiRefused('cannot create resource "secrets": is forbidden')],
        [NotFound("no such Secret"), NotFound("namespace is forbidden ground")],
    ],
    ids=["reading", "making", "no namespace"],
)
async def test_missing_rights_are_told_of(
    failures: list[ApiError], caplog: pytest.LogCaptureFixture
) -> None:
    """Probes and log say what is in the way, in the API server's words."""
    secrets = FakeSecrets()
    secrets.failures = failures
    process = Process(secrets)
    await process.load()
    problem = process.readiness.problem or ""
    assert problem.startswith("the keys for claims cannot be had: ")
    assert "forbidden" in problem
    assert problem in caplog.text
    assert process.believes(process.signed())


async def test_a_failure_leaves_the_keys_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    """An API server that is away, or a Secret that somebody spoils, stops nobody at work."""
    secrets = FakeSecrets(current=OLD)
    process = Process(secrets)
    await process.load()
    secrets.failures = [ApiUnavailable("no answer")]
    await process.secret.refresh()
    secrets.hold(current=b"short")
    await process.secret.refresh()
    assert process.signed() == signed_with(OLD)
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 2


async def test_keys_are_read_again_and_again() -> None:
    """After each period, whatever came of the time before."""
    secrets = FakeSecrets(current=OLD)
    process = Process(secrets)
    await process.load()
    secrets.hold(current=NEW)
    secrets.failures = [ApiUnavailable("no answer")]
    secrets.was_read.clear()
    keeping = asyncio.create_task(process.secret.keep_current(0))
    async with asyncio.timeout(10):
        await secrets.was_read.wait()
    assert process.signed() == signed_with(NEW)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_a_secret_that_is_deleted_is_made_anew() -> None:
    """With another key: what was signed with the one that leaked is believed no more."""
    secrets = FakeSecrets(current=OLD)
    process = Process(secrets)
    await process.load()
    secrets.secret = None
    await process.secret.refresh()
    assert secrets.secret is not None
    assert not process.believes(signed_with(OLD))
    assert process.believes(process.signed())
