"""Whether a live object is as a manifest says."""

from typing import Any

import pytest

from quiver.reconcile.matching import differences, matches

TOLERATION = {"key": "gpu", "operator": "Equal", "value": ""}


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        ({"tolerations": []}, {}),
        ({"tolerations": [TOLERATION]}, {"tolerations": [{"key": "gpu", "operator": "Equal"}]}),
        ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "1", "memory": "1Gi"}}),
    ],
)
def test_what_the_api_server_rewrites_is_no_difference(desired: Any, live: Any) -> None:
    """It leaves out what is empty, writes quantities its own way, and others add fields."""
    assert matches(desired, live)


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        ({"replicas": 0}, {"replicas": 3}),
        ({"tolerations": [TOLERATION]}, {}),
        ({"limits": {"cpu": "1"}}, {"limits": {"cpu": "2"}}),
    ],
)
def test_what_differs_is_a_difference(desired: Any, live: Any) -> None:
    """A value that is there counts, an empty one that is wanted instead too."""
    assert not matches(desired, live)


CONTAINER = {"name": "engine", "image": "a", "args": ["x"]}


@pytest.mark.parametrize(
    ("desired", "live", "phrases"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b is 2, not 1"]),
        ({"a": {"b": 1}}, {"a": 3}, ["a is 3, not {'b': 1}"]),
        ({"a": {"b": 1}}, {}, ["a is missing, not {'b': 1}"]),
        ({"a": {}}, {}, []),
        ({"cpu": "1000m"}, {"cpu": "1"}, []),
        (
            {"c": [CONTAINER]},
            {"c": [{**CONTAINER, "image": "b"}]},
            ["c[engine].image is 'b', not 'a'"],
        ),
        ({"c": [CONTAINER]}, {"c": [{**CONTAINER, "args": []}]}, ["c[engine].args lacks 'x'"]),
        ({"c": [CONTAINER]}, {"c": []}, [f"c lacks {CONTAINER!r}"]),
    ],
)
def test_differences_are_told_by_their_path(desired: Any, live: Any, phrases: list[str]) -> None:
    """There are some just where the two do not match."""
    assert list(differences(desired, live)) == phrases
    assert matches(desired, live) is not bool(phrases)
