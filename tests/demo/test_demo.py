"""The demo is the end-to-end test: it checks each of its steps itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from localcluster import preflight

ROOT = Path(__file__).resolve().parents[2]


def _run(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.node
@pytest.mark.xdist_group("node")
def test_the_whole_story_holds_on_a_node(built_images: Path) -> None:
    """Every step of `make demo` does what it should, on a cluster with a GPU node, with the images
    as images/Containerfile has them built.
    """
    problems = preflight.node_problems()
    if problems:
        pytest.skip("no node here: " + "; ".join(f"{what} ({cure})" for what, cure in problems))
    _run()


def test_the_story_with_milvus_holds() -> None:
    """Collections on Milvus 2.3.5 answer every search from the moment on that they are Ready."""
    _run("--milvus")


def test_the_story_holds_without_a_node() -> None:
    """Without a node, and so without root, the demo tells the same story but for the pods."""
    _run("--no-node")
