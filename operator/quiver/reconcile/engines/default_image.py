"""The image of engine pods while spec.image is absent."""

from quiver.domain.kubernetes_types import Manifest
from quiver.reconcile.engines.gather import Gathered
from quiver.reconcile.engines.parts import is_owned


def default_image(gathered: Gathered, installed: str) -> str:
    """Return the image that the pods get if the spec names none; `installed` is the operator's.

    Pods without storage keep the image that they were made with: an upgrade of the operator, which
    brings another, would replace them and lose their vectors.
    """
    spec, live = gathered.engine.spec, gathered.stateful_set
    if spec.image is not None or not spec.is_ephemeral or live is None:
        return installed
    if not is_owned(live, gathered.engine) or not live["spec"].get("replicas"):
        return installed
    # Until the status records it, that of the StatefulSet counts: an earlier version made it.
    return gathered.engine.status.default_image or _image_of(live) or installed


def _image_of(stateful_set: Manifest) -> str | None:
    containers = stateful_set["spec"].get("template", {}).get("spec", {}).get("containers", [])
    return next((c.get("image") for c in containers if c.get("name") == "engine"), None)
