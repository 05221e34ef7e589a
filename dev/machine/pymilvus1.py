"""The client of Milvus 1.x, `pymilvus==1.1.2`, in a virtual environment of its own.

It cannot live in the project's: it needs a protobuf of before 3.21 and pins a grpcio that Python
3.11 has no build of.
"""

from pathlib import Path

from machine.environments import Environment

_ENVIRONMENT = Environment("pymilvus-1.1.2", Path(__file__).with_name("pymilvus1-requirements.txt"))


def pymilvus_python() -> Path:
    """Return an interpreter that has pymilvus 1.1.2, making its environment if need be.

    The first call installs from the package index that pip is set up for, in some ten seconds.
    """
    return _ENVIRONMENT.program("python")


def is_made() -> bool:
    """Whether its environment is there and current."""
    return _ENVIRONMENT.is_made
