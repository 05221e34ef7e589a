"""What one lock file adds to another."""

import pytest

from imagebuild.collect.locks import added
from machine.errors import BuildError

SHORT = """\
grpcio==1.85.3 \\
    --hash=sha256:aa
    # via quiver-operator (pyproject.toml)
"""
NUMPY = """\
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
numpy==2.5.0 ; python_full_version >= '3.12' \\
    --hash=sha256:dd
"""


def test_what_is_locked_in_both_is_left_out() -> None:
    """The rest stays with its hashes, also a package with another version for another Python."""
    assert added(SHORT + NUMPY + "    # via faiss-cpu\n", SHORT) == NUMPY


def test_images_must_agree_on_what_they_share() -> None:
    """A package that is locked at two versions is refused by its name."""
    with pytest.raises(BuildError, match=r"locked differently: grpcio\. Remedy: make lock"):
        added(SHORT.replace("1.85.3", "1.86.0"), SHORT)
