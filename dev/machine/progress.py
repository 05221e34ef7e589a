"""How long work says what it does: one short line a step."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]


def quiet(_: str) -> None:
    """Say nothing."""
