"""What reads the operator's metrics, and who may connect to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
DROPPED = {"action": "drop", "sourceLabels": ["__name__"], "regex": "python_.*"}
REPLACED = {"action": "replace", "targetLabel": "cluster", "replacement": "a"}
SCRAPING = {
    "interval": "15s",
    "scrapeTimeout": "5s",
    "relabelings": [REPLACED],
    "metricRelabelings": [DROPPED],
}
MONITORS = {
    "serviceMonitor": ("ServiceMonitor", "endpoints"),
    "podMonitor": ("PodMonitor", "podMetricsEndpoints"),
}
ON = {"enabled": True, "labels": {"release": "prometheus"}}


def kinds(chart: Any, values: Any = None) -> set[str]:
    """The kinds of a release's objects."""
    return {found["kind"] for found in chart.render(values)}


def test_nothing_of_the_prometheus_operator_unless_asked_for(chart: Any) -> None:
    """Its CRDs may not be there; and no NetworkPolicy either."""
    unusual = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "NetworkPolicy"}
    assert unusual & kinds(chart) == set()


@pytest.mark.parametrize("knob", MONITORS)
def test_monitors(chart: Any, knob: str) -> None:
    """They pick what the release brings, by its labels and the name of its port."""
    kind, endpoints = MONITORS[knob]
    found = chart.one(kind, {knob: {**ON, **SCRAPING}})
    [endpoint] = found["spec"][endpoints]
    assert endpoint == {"port": "http", "path": "/metrics", **SCRAPING}
    assert found["metadata"]["labels"]["release"] == "prometheus"
    selected = found["spec"]["selector"]["matchLabels"].items()
    for picked in (chart.one("Service")["metadata"], chart.pod()["metadata"]):
        assert selected <= picked["labels"].items()
    [port] = chart.container()["ports"]
    assert chart.one("Service")["spec"]["ports"][0]["name"] == port["name"] == "http"


def test_one_monitor_is_enough(chart: Any, helm_error: type[Exception]) -> None:
    """With both all metrics would be there twice."""
    with pytest.raises(helm_error, match="set one of them to false"):
        chart.render(dict.fromkeys(MONITORS, ON))


def test_the_rule_has_the_alerts_of_the_page(chart: Any) -> None:
    """Row by row, in words, query and time."""
    section = PAGE.read_text().partition("\n## Alerts\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^`|]+) \| `(.+)` \| (.+) \|$", section, re.MULTILINE)
    extra = {"alert": "Mine", "expr": "vector(1)"}
    found = chart.one("PrometheusRule", {"prometheusRule": {**ON, "extraRules": [extra]}})
    [group] = found["spec"]["groups"]
    *rules, last = group["rules"]
    told = [(r["annotations"]["summary"], r["expr"], r["for"]) for r in rules]
    assert told == [(what, q.replace(r"\|", "|"), t.replace(" ", "")) for what, q, t in rows]
    assert last == extra
    assert len({rule["alert"] for rule in rules}) == len(rules)
    assert {rule["labels"]["severity"] for rule in rules} == {"warning", "critical"}
    assert found["metadata"]["labels"]["release"] == "prometheus"


def test_the_service(chart: Any) -> None:
    """Its annotations and families are as they were given."""
    families = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]}
    found = chart.one("Service", {"service": {"annotations": {"a": "b"}, **families}})
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert found["spec"].items() >= families.items()
    assert not families.keys() & chart.one("Service")["spec"].keys()


def test_a_network_policy_that_limits_nothing_else(chart: Any) -> None:
    """Everyone reaches port 8080 and nobody another one; the operator connects everywhere."""
    found = chart.one("NetworkPolicy", {"networkPolicy": {"enabled": True}})["spec"]
    assert found["policyTypes"] == ["Ingress"]
    assert found["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    labels = chart.pod()["metadata"]["labels"]
    assert found["podSelector"]["matchLabels"].items() <= labels.items()


def test_a_network_policy_with_peers_and_rules(chart: Any) -> None:
    """The example of the page: its peers and `helm test` connect, and its rules are taken over."""
    page = (chart.path / "README.md").read_text()
    [example] = re.findall(r"^```yaml\n(networkPolicy:\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    values = yaml.safe_load(example)
    found = chart.one("NetworkPolicy", values)["spec"]
    assert found["policyTypes"] == ["Ingress", "Egress"]
    assert found["egress"] == values["networkPolicy"]["egress"]
    *peers, test = found["ingress"][0]["from"]
    assert peers == values["networkPolicy"]["from"]
    [pod] = [found for found in chart.hooks(values) if found["kind"] == "Pod"]
    labels = pod["metadata"]["labels"]
    assert test["podSelector"]["matchLabels"].items() <= labels.items()
