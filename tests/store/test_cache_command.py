"""`lbp cache`: what is there, and what goes."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.store import in_use
from labelbench_plus.store.artefacts import Artefacts


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with an array and a folder, made by a process that has ended; and the command on it."""
    folder = tmp_path / "cache"
    Artefacts(folder).arrays({"data": "digits"}, lambda pieces: {"x": np.zeros(1000)}, what="features of [digits]")
    Artefacts(folder).directory({"model": 1}, lambda to: (to / "weights").write_bytes(b"0" * 2_000_000) and None)
    in_use._folders.clear()
    monkeypatch.setenv("LBP_CACHE", str(folder))
    monkeypatch.delenv("LBP_CACHE_BUDGET", raising=False)
    return lambda *arguments: CliRunner().invoke(app, ["cache", *arguments])


def test_what_is_kept_is_listed(cache):
    lines = cache("list").stdout.splitlines()
    assert lines[0].split() == ["artefact", "kind", "size", "made", "last", "use", "what"]
    rows = {line.split()[1]: line for line in lines[1:3]}
    assert "8.3 kB" in rows["arrays"]
    assert rows["arrays"].rstrip().endswith("features of [digits]")
    assert "2.0 MB" in rows["directory"]
    assert '"model": 1' in rows["directory"]
    assert lines[3].startswith("2 artefacts, 2.0 MB, in ")


def test_programs_read_all_of_it(cache):
    found = json.loads(cache("list", "--json").stdout)
    assert [entry["kind"] for entry in found] == ["arrays", "directory"]
    assert {"id", "kind", "path", "key", "what", "made", "seconds", "bytes", "by", "last_use"} == set(found[0])


def test_a_dry_run_says_what_would_go(cache):
    said = cache("prune", "--to", "10kB", "--dry-run").stdout
    assert "2 artefacts, 2.0 MB, would be removed from" in said
    assert len(json.loads(cache("list", "--json").stdout)) == 2
    gone = json.loads(cache("prune", "--to", "2.001MB", "--json").stdout)
    assert [entry["kind"] for entry in gone["removed"]] == ["arrays"]
    assert "1 artefact, 2.0 MB" in cache("list").stdout
    assert "0 artefacts" in cache("prune", "--older-than", "1h").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give --to 10GB or --older-than 30d, or set LBP_CACHE_BUDGET"),
        (["--to", "much"], "'much' is no size"),
        (["--older-than", "30"], "'30' is no age"),
    ],
)
def test_what_may_go_must_be_said(cache, arguments, says):
    refused = cache("prune", *arguments)
    assert refused.exit_code == 2
    assert says in refused.stderr


def test_the_budget_of_the_environment_is_the_default(cache, monkeypatch):
    monkeypatch.setenv("LBP_CACHE_BUDGET", "0")
    assert "2 artefacts" in cache("prune").stdout
    assert "0 artefacts, 0 B" in cache("list").stdout
