"""The comparison of the engine with its limits runs, and says what it found."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.engine import milvus, rivals
from bench.engine.__main__ import PAGE, main
from bench.engine.figures import Side, SideIndex


def test_a_small_run_leaves_figures_and_no_docs(tmp_path: Path) -> None:
    """Every kind of search and insert has figures for the engine and its limits, above 0."""
    page = PAGE.read_text()
    results = tmp_path / "engine.json"
    options = ["--size", "5000x8", "--index", "IVF_FLAT", "--rounds", "1", "--seconds", "0.01"]
    options += ["--collections", "30"]
    for part in ("start", "many", "insert", "search", "beside"):
        options += ["--part", part]
    ran = CliRunner().invoke(main, [*options, "--json", str(results)], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    run = json.loads(results.read_text())
    assert [(s["threads"], s["nq"]) for s in run["searches"]] == [
        (1, 1), (1, 10), (1, 100), (1, 1000), (16, 1),
    ]  # fmt: skip
    assert all(s["engine_qps"] > 0 and s["faiss_qps"] > 0 for s in run["searches"])
    assert run["indexes"][0]["recall"] > 0.5
    assert [i["durability"] for i in run["inserts"]] == ["fsync", "os"]
    assert all(i["share"] > 0 and i["share_of_bare"] > 0 for i in run["inserts"])
    assert all(s["bare_qps"] > 0 for s in run["searches"])
    assert all(b["times"] > 0 for b in run["besides"])
    assert run["startup"]["log_rows"] == 5000
    assert run["many"]["created_s"] > 0
    assert {call["rpc"] for call in run["many"]["calls"]} > {"Search", "CreateIndex"}
    assert "5,000 x 8" in ran.output
    assert PAGE.read_text() == page


def test_a_server_that_cannot_be_had_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's own figures are there, and no figure is made up for the other one."""
    indexes = [SideIndex("IVF_FLAT", 1.0, 0.5, "{}", 0.99, 0.75, 1000.0)]
    monkeypatch.setattr(milvus, "measure_side", lambda *_: Side(0.5, 70, 120, 0.25, 0.1, indexes))
    missing = rivals.Rival("other 1.0", (str(tmp_path / "no-such-package"),), lambda *_: [])
    monkeypatch.setattr(milvus, "RIVALS", (missing,))
    monkeypatch.setattr(rivals, "ENVIRONMENTS", tmp_path / "environments")
    options = ["--part", "milvus", "--size", "5000x8", "--rounds", "1", "--seconds", "0.01"]
    ran = CliRunner().invoke(main, options, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    assert "other 1.0 was not measured" in ran.output
    assert "no-such-package" in ran.output
    assert "| insert | 0.25 s | not measured |" in ran.output
