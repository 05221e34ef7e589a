"""A short soak of a real engine, and soaks of engines that lie."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from quiver_engine.model import Ids, Vectors
from soak import report
from soak.client import Client, Found
from soak.run import Connect, Options
from soak.soaking import soak


def options(folder: Path, seconds: float, connect: Connect = Client) -> Options:
    return Options(3, seconds, folder, 1.2, users=3, low=200, high=600, connect=connect)


@pytest.mark.timeout(120)
def test_a_short_soak_finds_nothing_wrong(tmp_path: Path) -> None:
    """Every answer fits what was acknowledged, across a kill and a SIGTERM under way."""
    asked = options(tmp_path, 7)
    result = soak(asked, print)
    assert result.wrong == []
    assert result.ends == {"kill": 1, "end": 1}
    assert {"insert", "delete", "search", "get", "count", "flush"} <= set(result.calls)
    report.write(result, asked)
    assert "no wrong answer" in list(report.table(result, asked))[-1]
    assert (tmp_path / "soak.svg").read_text().startswith("<svg")


class DropsOneResult(Client):
    """Leaves the best result out of each search that has several."""

    def search(
        self, name: str, queries: Vectors, topk: int, tags: Sequence[str], params: dict[str, int]
    ) -> Found:
        found = super().search(name, queries, topk + 1, tags, params)
        return Found(found.ids[:, 1:], found.distances[:, 1:])


class LosesAnInsert(Client):
    """Answers small inserts without sending them."""

    def insert(self, name: str, tag: str, vectors: Vectors, ids: Ids | None) -> Ids:
        if ids is not None and len(ids) < 100:
            return ids
        return super().insert(name, tag, vectors, ids)


class ForgetsADelete(Client):
    """Sends only half of the ids of a delete."""

    def delete(self, name: str, tag: str, ids: Ids) -> None:
        super().delete(name, tag, ids[::2])


class GivesAnotherVector(Client):
    """Answers with the vector of another id."""

    def vectors(self, name: str, ids: Ids) -> list[Vectors | None]:
        return list(np.roll(np.array(super().vectors(name, ids), object), 1, axis=0))


@pytest.mark.parametrize(
    ("lies", "call"),
    [
        (DropsOneResult, "search"),
        (LosesAnInsert, "audit"),
        (ForgetsADelete, "audit"),
        (GivesAnotherVector, "get"),
    ],
)
def test_an_engine_that_lies_is_found_out(tmp_path: Path, lies: Connect, call: str) -> None:
    """A lost result, insert, deletion or vector is told, with the seed and the call."""
    result = soak(options(tmp_path, 1.0, lies), print)
    assert any(what.startswith(f"seed 3: {call}") for what in result.wrong), result.wrong
