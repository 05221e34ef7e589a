"""Defaults that are moments: servers tell them otherwise than they were given."""

import pytest

from quiver.domain.milvus_fields import Field, Form
from quiver.domain.milvus_forms import differences


def form(default: int | str) -> Form:
    return Form(fields=(Field(name="at", type="Timestamptz", default=default),))


@pytest.mark.parametrize(
    "told",
    [
        "2025-12-31T23:30:00Z",
        "2026-01-01T00:30:00+01:00",
        "2025-12-31 23:30:00",
        "2025-12-31T23:30:00.000000000Z",
        1767223800000000,
        "1767223800000000",
    ],
)
def test_a_moment_is_the_same_in_whatever_words(told: int | str) -> None:
    """In another zone, without one, with nanoseconds, or in microseconds."""
    assert list(differences(form("2026-01-01T00:30:00+01:00"), form(told))) == []


@pytest.mark.parametrize("told", ["2025-12-31T23:30:01Z", "soon", "", 10**30, -(10**30)])
def test_another_moment_is_a_difference(told: int | str) -> None:
    """And so is what is none."""
    [words] = differences(form("2025-12-31T23:30:00Z"), form(told))
    assert words.startswith("default of field 'at' is")
