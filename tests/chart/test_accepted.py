"""What the chart renders is accepted by a real API server."""

from __future__ import annotations

import uuid
from typing import Any

import yaml

from localcluster import ControlPlane

MONITORING = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: KIND, plural: PLURAL, singular: SINGULAR, listKind: KINDList}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""
"""Stands for the CRDs of the Prometheus Operator."""
MONITORS = {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"}
EVERYTHING: dict[str, Any] = {
    "replicaCount": 2,
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "commonLabels": {"team": "a"},
    "commonAnnotations": {"owner": "b"},
    "deploymentAnnotations": {"a": "b"},
    "strategy": {"type": "Recreate"},
    "revisionHistoryLimit": 0,
    "terminationGracePeriodSeconds": 60,
    "automountServiceAccountToken": False,
    "livenessProbe": {"initialDelaySeconds": 5},
    "readinessProbe": {"successThreshold": 2},
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["10.0.0.2"], "options": [{"name": "ndots", "value": "1"}]},
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/certs", "readOnly": True}],
    "podDisruptionBudget": {"minAvailable": "50%"},
    "service": {"annotations": {"a": "b"}, "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]},
    "networkPolicy": {
        "enabled": True,
        "from": [{"namespaceSelector": {}}],
        "egress": [{"ports": [{"port": 6443}]}],
    },
    "serviceMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "serviceAccount": {"annotations": {"a": "b"}},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "system-cluster-critical",
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}}],
}


def test_all_that_values_bring_is_accepted(control_plane: ControlPlane, chart: Any) -> None:
    """The API server takes each field as it knows it, also those of hooks."""
    for plural, kind in MONITORS.items():
        crd = MONITORING.replace("PLURAL", plural).replace("KIND", kind)
        crd = crd.replace("SINGULAR", kind.lower())
        control_plane.kubectl("apply", "--server-side", "--filename=-", input=crd)
        name = f"crd/{plural}.monitoring.coreos.com"
        control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", name)
    objects = [*chart.render(EVERYTHING, "another"), *chart.hooks(EVERYTHING, "another")]
    rendered = [found for found in objects if found["kind"] != "CustomResourceDefinition"]
    kinds = {found["kind"] for found in rendered}
    assert {*MONITORS.values(), "NetworkPolicy", "PodDisruptionBudget", "Pod", "Job"} <= kinds
    namespace = f"accepted-{uuid.uuid4().hex[:8]}"
    control_plane.create_namespace(namespace)
    here = yaml.safe_dump_all(rendered).replace("namespace: team", f"namespace: {namespace}")
    how = ("--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")
    control_plane.kubectl("apply", *how, "--filename=-", input=here)
    control_plane.kubectl("delete", "namespace", namespace, "--wait=false")
