"""The files of certificate and key, read while they are exchanged."""

from pathlib import Path

import grpc
import pytest

from quiver_engine.server import tls
from support.certificates import SecretFolder, server_pair


@pytest.fixture
def files(tmp_path: Path) -> SecretFolder:
    made, pair = SecretFolder(tmp_path / "tls"), server_pair()
    made.publish(pair.certificate, pair.key)
    return made


def test_certificate_and_key_are_of_one_secret_even_if_it_is_exchanged_meanwhile(
    files: SecretFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exchange between reading the certificate and reading the key gives the new pair, not the
    old certificate with the new key.
    """
    read, successor = tls._content, server_pair()
    exchanges = [(successor.certificate, successor.key)]

    def read_and_exchange(path: Path) -> bytes:
        content = read(path)
        if exchanges:
            files.publish(*exchanges.pop())
        return content

    monkeypatch.setattr(tls, "_content", read_and_exchange)
    found: list[tuple[list[tuple[bytes, bytes]], bytes | None]] = []
    monkeypatch.setattr(
        grpc, "ssl_server_certificate_configuration", lambda *parts: found.append(parts)
    )
    named = tls.Files(files.folder / "tls.crt", files.folder / "tls.key")
    tls._read_together(named)
    assert found[-1] == ([(successor.key, successor.certificate)], None)
