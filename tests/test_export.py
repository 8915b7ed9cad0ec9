"""What was bought leaves as files that other programs train on."""

import hashlib
import importlib.util
import json
import shutil

import pytest
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.inputs.conversations import Demonstration, Turn, turns
from labelbench_plus.language.sft_lines import sft_record
from labelbench_plus.language.templates import Template
from labelbench_plus.plugins import registry
from labelbench_plus.spec import RunSpec
from labelbench_plus.store.run_store import RunStore
from labelbench_plus.testing.resume import carry_on

TALK = Demonstration((Turn("user", "hi"), Turn("assistant", "yes?"), Turn("user", "grüß dich")), "hello")


def spec(problem, trainer, seed=0):
    return RunSpec(
        problem=problem,
        trainer=registry("trainers").build(trainer),
        strategy=registry("strategies").build("random"),
        initial=None,
        amounts=(3.0, 2.0),
        seed=seed,
    )


def example(name):
    return registry("problems").build({"name": name, **registry("problems").load(name).example()})


@pytest.fixture(scope="module")
def sold(tmp_path_factory):
    """(folder of a run that is done, what it bought as demonstrations, the seed set)."""
    folder = tmp_path_factory.mktemp("sold")
    problem = example("instruction_tuning")
    run = spec(problem, {"name": "sft", "epochs": 1, "rank": 2})
    store = RunStore(folder / "out", run.id)
    carry_on(run, store, folder, until=None)
    data = problem.prompts.load()
    items = [item for record in store.rounds() for item in record.purchase.items]
    return store.folder, [Demonstration(data.pool[item].said, data.pool_answers[item]) for item in items], data.seed


def export(folder, path, *more):
    return CliRunner().invoke(app, ["export", str(folder), "--sft", str(path), *more])


def test_everything_that_was_bought_and_the_seed_set_leave_as_trl_reads_them(sold, tmp_path):
    folder, bought, seed = sold
    said = export(folder, tmp_path / "mine.jsonl")
    assert said.exit_code == 0, said.output
    assert "5 bought, 2 seed demonstrations" in said.output
    records = [json.loads(line) for line in (tmp_path / "mine.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [record["origin"] for record in records] == ["bought"] * 5 + ["seed"] * 2
    for record, example in zip(records, [*bought, *seed], strict=True):
        assert set(record) == {"prompt", "completion", "origin"}
        assert (
            record["prompt"] == f"Question: {example.prompt}\nAnswer:"
            and record["completion"] == f" {example.response}"
        )


def test_no_model_is_opened_and_rounds_are_enough(sold, tmp_path, monkeypatch):
    def missing(*arguments, **keywords):
        raise FileNotFoundError("the base is not here")

    folder = sold[0]
    copy = tmp_path / "out" / "runs" / folder.name
    shutil.copytree(folder / "rounds", copy / "rounds")
    shutil.copy(folder / "config.json", copy)
    monkeypatch.setattr("labelbench_plus.language.base.open_base", missing)
    monkeypatch.setattr("labelbench_plus.bases.tiny_llama.TinyLlama.fingerprint", missing)
    cut = export(folder.name[:6], tmp_path / "cut.jsonl", "--out", str(tmp_path / "out"))
    assert cut.exit_code == 0 and "is not done" in cut.output
    whole = export(folder, tmp_path / "whole.jsonl")
    assert whole.exit_code == 0 and "could not be compared" in whole.output
    assert (tmp_path / "cut.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize("template", [Template("own"), Template("chatml", system="be brief"), Template("none")])
def test_what_leaves_comes_back_as_prompts_of_your_own(template, tmp_path):
    examples = [TALK, *(Demonstration(f"what is {row}?", str(row)) for row in range(9))]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(json.dumps({**sft_record(each, template), "origin": "bought"}) for each in examples))
    source = registry("prompts").build({"name": "json_lines", "path": str(path), "test": 1})
    found = source.questions()
    assert [question.accepted for question in found] == [(example.response,) for example in examples]
    for question, example in zip(found, examples, strict=True):
        shown = template.with_system(turns(example.prompt))
        if template.chat == "none":
            assert question.prompt.said == template.rendered(shown)
        else:
            assert template.with_system(turns(question.prompt.said)) == shown
    assert len(source.load().pool) == 9


@pytest.mark.parametrize(
    ("completion", "why"),
    [
        ([], "a list of one turn"),
        ([{"role": "user", "content": "me"}], "a list of one turn of the assistant's"),
        ([{"role": "assistant", "content": " "}], "'completion' must be a text, not empty"),
        ([{"role": "assistant"}], "a turn must have"),
        (7, "'completion' must be a text, not empty"),
    ],
)
def test_a_completion_that_is_none_is_refused(completion, why, tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"prompt": "what?", "completion": completion}))
    with pytest.raises(ValueError, match=f"line 1: .*{why}"):
        registry("prompts").build({"name": "json_lines", "path": str(path)}).questions()


def test_what_cannot_leave_is_said_before_anything_is_written(sold, tmp_path):
    folder, path = sold[0], tmp_path / "mine.jsonl"
    assert "no run in" in export("ffff", path, "--out", str(tmp_path)).output
    assert "there is no folder" in export(folder, tmp_path / "none" / "mine.jsonl").output

    config = json.loads((folder / "config.json").read_bytes())
    others = tmp_path / "out" / "runs" / folder.name
    shutil.copytree(folder, others)
    config["problem"]["prompts"]["skew"] = 0.5
    (others / "config.json").write_text(json.dumps(config))
    changed = export(others, path)
    assert changed.exit_code == 2 and "the data of its problem are others now" in changed.output

    (others / "result.json").unlink()
    config["problem"]["prompts"]["pool"] = 1
    (others / "config.json").write_text(json.dumps(config))
    assert "it bought what its problem does not have here" in export(others, path).output
    shutil.rmtree(others / "rounds")
    assert "nothing was bought" in export(others, path).output

    labels = spec(example("regression"), "ridge")
    store = RunStore(tmp_path / "labels", labels.id)
    carry_on(labels, store, tmp_path, until=None)
    refused = export(store.folder, path)
    assert refused.exit_code == 2 and "sells labels, no demonstrations" in refused.output
    assert not path.exists()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The store of a run whose trainer wrote demonstrations of its own."""
    folder = tmp_path_factory.mktemp("written")
    trainer = registry("trainers").load("nomad").example()
    more = {"prompt_tokens": 40, "generator_steps": 40, "tune": "full", "learning_rate": 0.01, "synthetic": 12}
    more["generator_share"] = [0.5, 1]
    run = spec(example("instruction_tuning"), {"name": "nomad", **trainer, **more})
    store = RunStore(folder / "out", run.id)
    carry_on(run, store, folder, until=None)
    return store


def test_what_a_model_wrote_leaves_with_where_it_is_from(written, tmp_path):
    path = tmp_path / "more.jsonl"
    said = CliRunner().invoke(app, ["export", str(written.folder), "--synthetic", str(path)])
    assert said.exit_code == 0, said.output
    table = written.details(1)["synthetic"]
    kept = [row for row, fate in enumerate(table["fate"]) if fate == "kept"]
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [record["row"] for record in records] == kept and f"{len(kept)} that a model wrote" in said.output
    for record in records:
        assert record["origin"] == "synthetic" and record["run"] == written.id
        assert record["prompt"] == f"Question: {table['prompt'][record['row']]}\nAnswer:"
        assert record["completion"] == f" {table['answer'][record['row']]}"
    page = path.with_suffix(".md").read_text(encoding="utf-8")
    assert f"{len(kept)} records of 12 prompts" in page and hashlib.sha256(path.read_bytes()).hexdigest() in page
    for what in (f"`{written.id}`, round 1, seed 0", '"generator_steps": 40', "5 demonstrations of origin `bought`"):
        assert what in page
    assert "2 demonstrations of origin `seed`" in page and "Nobody has read these" in page
    chosen = written.costs()[1]["trainer.generator_share"]
    assert chosen in (0.5, 1) and f"* **generator_share**: {chosen:g}\n" in page and "**worth_0.5**" in page
    for fate in set(table["fate"]):
        assert f"**{fate}**: {table['fate'].count(fate)}" in page


def test_where_nothing_was_written_nothing_leaves(sold, written, tmp_path):
    def asked(*arguments):
        return CliRunner().invoke(app, ["export", *map(str, arguments)])

    path = tmp_path / "more.jsonl"
    refused = asked(sold[0], "--synthetic", path)
    assert refused.exit_code == 2 and "holds no generated training data" in refused.output
    assert "name the file to write" in asked(sold[0]).output
    both = asked(written.folder, "--synthetic", tmp_path / "none" / "more.jsonl", "--sft", path)
    assert both.exit_code == 2 and "there is no folder" in both.output and not path.exists()
    assert asked(written.folder, "--synthetic", path, "--sft", tmp_path / "mine.jsonl").exit_code == 0
    assert len((tmp_path / "mine.jsonl").read_text().splitlines()) == 7


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="trl is not installed")
def test_trl_takes_them_for_what_they_are(tmp_path):
    from datasets import load_dataset
    from trl.data_utils import is_conversational

    for chat, talks in (("chatml", True), ("plain", False)):
        path = tmp_path / f"{chat}.jsonl"
        path.write_text(json.dumps({**sft_record(TALK, Template(chat)), "origin": "bought"}) + "\n")
        rows = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
        assert is_conversational(rows[0]) is talks
