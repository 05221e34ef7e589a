"""Argo CD's health checks as a patch of its ConfigMap, for versions that do not bring them."""

from pathlib import Path
from textwrap import indent

FOLDER = Path(__file__).resolve().parents[2] / "manifests" / "argocd"
CUSTOMIZATIONS = FOLDER / "resource_customizations"
PATCH = FOLDER / "argocd-cm.yaml"
HEAD = """\
# Rendered from resource_customizations/ by dev/tools/render.py: edit it there.
# A patch, since the ConfigMap has settings of yours:
#   kubectl patch configmap argocd-cm -n argocd --type merge \\
#     --patch-file manifests/argocd/argocd-cm.yaml
data:
"""


def config_map_patch() -> str:
    """The health check of every kind, under the key that Argo CD looks for."""
    return HEAD + "".join(
        f"  resource.customizations.health.{script.parts[-3]}_{script.parts[-2]}: |\n"
        + indent(script.read_text(), "    ")
        for script in sorted(CUSTOMIZATIONS.glob("*/*/health.lua"))
    )
