"""`lbp decode`: one's own base and adapters, at any weighting."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.decoding.adapters import Adapter, write_adapter
from labelbench_plus.plugins import registry

BASE = "{name: tiny_llama, width: 8, layers: 1, heads: 2, context: 64}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Prompts, and two adapters of the base, the second of which is not in its folder."""
    path = tmp_path_factory.mktemp("decode")
    generator = torch.Generator().manual_seed(0)
    model = (
        registry("bases")
        .build({"name": "tiny_llama", "width": 8, "layers": 1, "heads": 2, "context": 64})
        .load("cpu", torch.float32)
    )
    name, layer = next((name, part) for name, part in model.named_modules() if name.endswith("down_proj"))
    draw = [torch.randn(shape, generator=generator) for shape in ((2, layer.in_features), (layer.out_features, 2))]
    write_adapter(Adapter({name: (draw[0], draw[1], 2.0)}), path / "kind", "tiny")
    (path / "p.txt").write_text("How are you?\n\nWhat is a label?\n")
    (path / "p.jsonl").write_text('{"prompt": "How are you?"}\n')
    (path / "w.csv").write_text("brief,kind\n0,1\n0,0.5\n")
    return path


def run(folder, *options, prompts="p.txt"):
    arguments = ["--base", BASE, "--adapter", f"kind={folder / 'kind'}", "--adapter", f"brief={folder / 'brief'}"]
    return CliRunner().invoke(app, ["decode", *arguments, "--prompts", str(folder / prompts), *options])


def test_texts_for_every_prompt_and_weighting(folder):
    out = folder / "texts.jsonl"
    table = str(folder / "w.csv")
    result = run(folder, "--weights", table, "--weights", "1.5,0", "--max-new-tokens", "4", "--kl", "--out", str(out))
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["weights"]["kind"] for row in rows] == [1, 1, 0.5, 0.5, 1.5, 1.5]  # what weighs nothing is not read
    assert [row["prompt"] for row in rows[:2]] == ["How are you?", "What is a label?"]
    assert all(row["kl"] > 0 for row in rows)
    again = run(folder, "--weights", "1,0", "--max-new-tokens", "4", prompts="p.jsonl")
    assert json.loads(again.output.splitlines()[0])["text"] == rows[0]["text"]


def test_draws_are_those_of_the_seed(folder):
    outputs = [
        run(folder, "--weights", "1,0", "--max-new-tokens", "8", "--samples", "2", "--seed", seed).output
        for seed in "001"
    ]
    assert outputs[0] == outputs[1] != outputs[2]
    assert len(outputs[0].splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--weights", "0.5,0.5"), "brief: no adapter_config.json"),
        (("--weights", "1"), "expected 2 numbers, for kind, brief, got 1"),
        (("--weights", "1,a"), "expected finite numbers, got 'a'"),
        (("--weights", "nan,0"), "finite numbers"),
        (("--weights", "no.csv"), "no such file"),
        (("--weights", "1,0", "--adapter", "kind=x"), "two adapters called 'kind'"),
        (("--weights", "1,0", "--adapter", "kind"), "expected NAME=FOLDER"),
        (("--weights", "1,0", "--divergence", "chi2"), "cannot combine policies"),
        (("--weights", "1,0", "--divergence", "alpha:x"), "a number after 'alpha:'"),
        (("--weights", "1,0", "--base", "{name: tiny_lama}"), "did you mean 'tiny_llama'"),
        (("--weights", "1,0", "--max-new-tokens", "64"), "the model reads 64"),
        (("--weights", "1,0", "--prompts", "none.txt"), "no such file"),
    ],
)
def test_what_is_wrong_is_said(folder, options, message):
    result = run(folder, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
