"""What the images of a release are called, in its manifests and its chart."""

from pathlib import Path

import pytest

from imagebuild.making import Options
from release.building import Plan
from release.names import Names

DIGEST = f"sha256:{'ab' * 32}"
PUSHED = [
    f"registry.example.org/team/quiver-operator:0.1.0@{DIGEST}",
    f"registry.example.org/team/quiver-engine:0.1.0@{DIGEST}",
]


def test_images_that_were_pushed_are_named_by_digest() -> None:
    """The chart's values name both as they lie in the registry."""
    names = Names(PUSHED)
    assert names.registry == "registry.example.org/team"
    by_digest = [f"image.digest={DIGEST}", f"engineImage={PUSHED[1]}"]
    assert names.values == ["image.tag=0.1.0", *by_digest]


def test_images_that_were_not_pushed_are_named_by_version() -> None:
    """The digest is that of a registry: without one there is none, and none is made up."""
    assert Names(["localhost:5000/quiver-operator:0.1.0", "x/quiver-engine:0.1.0"]).values == []


@pytest.mark.parametrize("archives", [["quiver-operator-0.1.0.tar"], []])
def test_a_second_build_has_the_parts_of_the_first(tmp_path: Path, archives: list[str]) -> None:
    """Images if there were images, in the same registry, and it pushes nothing."""
    Names([*PUSHED, "registry.example.org/team/quiver-engine:0.1.0-gpu"]).write(tmp_path)
    for name in archives:
        (tmp_path / name).touch()
    plan = Plan.like(tmp_path, Options(push=True))
    assert plan.names is not None
    assert plan.names.references[:2] == PUSHED
    assert (plan.with_images, plan.gpu) == (bool(archives), True)
    assert (plan.options.registry, plan.options.push) == ("registry.example.org/team", False)
