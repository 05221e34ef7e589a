"""What `make up` says to type next."""

import subprocess
from pathlib import Path

from demo.binding import exports
from localcluster import ControlPlane


def test_the_lines_to_type_find_kubectl_and_helm(tmp_path: Path) -> None:
    """A shell that knows neither has both after them, and goes to that cluster."""
    cluster = ControlPlane(tmp_path / "a folder")
    lines = [*exports(cluster), "command -v kubectl helm", 'echo "$KUBECONFIG"']
    done = subprocess.run(
        ["/bin/bash", "-c", "\n".join(lines)],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    kubectl, helm, kubeconfig = done.stdout.splitlines()
    assert (Path(kubectl).name, Path(helm).name) == ("kubectl", "helm")
    assert kubeconfig == str(cluster.kubeconfig)
