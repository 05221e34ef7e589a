"""What the operator knows of its own installation."""

from collections.abc import Mapping
from typing import NamedTuple


class OperatorPods(NamedTuple):
    """The operator's own pods: their namespace, and labels that each of them has.

    Without labels they are all pods of the namespace.
    """

    namespace: str
    labels: Mapping[str, str]


class Installation(NamedTuple):
    """What the engines that Quiver runs take from the installation.

    `engine_image` is the image of engines that name none.
    """

    engine_image: str
    operator_pods: OperatorPods
