"""Whether a live object is as a manifest says."""

from typing import Any

import pytest

from quiver.reconcile.matching import matches

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
