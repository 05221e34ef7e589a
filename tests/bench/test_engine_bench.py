"""The comparison of the engine with its limits runs, and says what it found."""

import json
from pathlib import Path

from click.testing import CliRunner

from bench.engine.__main__ import PAGE, main


def test_a_small_run_leaves_figures_and_no_docs(tmp_path: Path) -> None:
    """Every kind of search and insert has figures for the engine and its limits, above 0."""
    page = PAGE.read_text()
    results = tmp_path / "engine.json"
    options = ["--size", "5000x8", "--index", "IVF_FLAT", "--rounds", "1", "--seconds", "0.01"]
    options += ["--collections", "30"]
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
    assert run["startup"]["log_rows"] == 5000
    assert run["many"]["created_s"] > 0
    assert {call["rpc"] for call in run["many"]["calls"]} > {"Search", "CreateIndex"}
    assert "5,000 x 8" in ran.output
    assert PAGE.read_text() == page
