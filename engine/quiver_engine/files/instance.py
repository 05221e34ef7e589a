"""A data directory's id, which tells its collections from those of all other engines."""

import re
import secrets
from pathlib import Path

from quiver_engine.errors import StartError
from quiver_engine.files import durable

_CONTENT = re.compile(rb"[0-9a-f]{32}\n")


def id_of(path: Path) -> str:
    """Return the id in this file, which is created durably if it is missing.

    Raises StartError for a damaged file, DiskFailedError or OSError when it cannot be written.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = _make(path)
    return checked(path, content)


def checked(path: Path, content: bytes) -> str:
    """Return the id in the content of this file; raises StartError if it holds none."""
    if not _CONTENT.fullmatch(content):
        raise StartError(
            f"{path} is damaged: it holds {content[:40]!r} instead of 32 lowercase hex digits and a"
            " newline; it is the only thing that tells this engine's collections from those of"
            " another: restore it from a backup, or remove it, which gives the data directory a new"
            " identity, so that Quiver's operator no longer takes its collections for those that"
            " it made"
        )
    return content.decode().strip()


def _make(path: Path) -> bytes:
    content = f"{secrets.token_hex(16)}\n".encode()
    # After a crash the next start overwrites it.
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        durable.sync_file(file.fileno())
    durable.publish([(temporary, path)], path.parent)
    return content
