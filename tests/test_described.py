"""What the command line tells of a plugin, and of the data that a suite names."""

import dataclasses
import re

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from labelbench_plus.cli import app
from labelbench_plus.commands.described import in_a_suite, in_full, meanings, summary
from labelbench_plus.inputs.plain_yaml import load_yaml
from labelbench_plus.plugins import kinds, registry

BUILT_IN = [
    (kind, name) for kind in kinds() for name, entry in registry(kind).entries().items() if entry.origin == "built in"
]


def lbp(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def test_every_plugin_has_a_sentence_and_every_field_a_meaning():
    for kind, name in BUILT_IN:
        title, sentence = summary(registry(kind).entries()[name])
        assert title == registry(kind).load(name).title and sentence, (kind, name)
    mute = []
    for kind, name in BUILT_IN:
        cls = registry(kind).load(name)
        mute += [f"{kind}.{name}.{field.name}" for field in dataclasses.fields(cls) if field.name not in meanings(cls)]
    assert not mute


def test_a_list_says_what_people_call_a_plugin():
    assert re.search(r"^  k_center +k-center greedy: ", lbp("list", "strategies").stdout, flags=re.MULTILINE)


@pytest.mark.parametrize("name", [name for kind, name in BUILT_IN if kind == "datasets"])
def test_the_example_of_a_data_set_builds_it(name):
    cls = registry("datasets").load(name)
    assert "Example\n" in cls.__doc__
    shown, _ = load_yaml(in_a_suite("datasets", cls))
    assert isinstance(registry("datasets").build(shown["dataset"]), cls)


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_what_is_shown_to_paste_is_yaml_that_names_the_plugin(kind, name):
    cls = registry(kind).load(name)
    shown, _ = load_yaml(in_a_suite(kind, cls))
    assert name in str(shown)
    required = [f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING]
    assert all(field in str(shown) for field in required)


def test_a_plugin_in_full():
    told = in_full("strategies", registry("strategies"), "cluster_margin")
    for part in ("Citovsky", "fields:", "needs ", "cost, at most: 60 s", "strategies: [cluster_margin]"):
        assert part in told
    told = lbp("list", "datasets", "image_folder").stdout
    assert "test_share = 0.2\n      of what is divided." in told and "dataset: {name: image_folder, path:" in told
    assert lbp("show", "datasets", "image_folder").stdout == told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("list", "strategy"), "unknown kind 'strategy'; did you mean 'strategies'?"),
        (("list", "strategies", "badg"), "unknown strategy 'badg'; did you mean 'badge'"),
        (("show", "dataset", "digits"), "unknown kind 'dataset'; did you mean 'datasets'?"),
        (
            ("compare", "margn", "random", "results/digits"),
            "no strategy 'margn' on these boards; did you mean 'margin'?",
        ),
        (("compare", "margin", "margin", "results/digits"), "margin and margin are the same"),
    ],
)
def test_a_wrong_name_is_answered_by_a_right_one(words, says):
    done = lbp(*words)
    assert done.exit_code == 2 and says in done.stderr


def test_the_help_begins_with_run_and_is_grouped():
    told = lbp("--help").stdout
    order = ["Run a suite", "│ run ", "│ sweep ", "Look at results", "│ leaderboard ", "Share results", "│ list "]
    assert sorted(order, key=told.index) == order


def test_a_file_that_registers_nothing_is_refused(tmp_path, suite_file):
    (tmp_path / "empty.py").write_text("from labelbench_plus.strategies.uncertainty.entropy import Entropy\n")
    done = lbp("list", "metrics", "--plugin", tmp_path / "empty.py")
    assert done.exit_code == 2 and "registers nothing" in done.stderr


@pytest.fixture
def photos(tmp_path):
    """Twenty images in two classes, four of them bad, each in its own way; and a suite that reads them."""
    for number in range(20):
        folder = tmp_path / "photos" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (8 + number, 9, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    bad = {"dog/04.png": b"", "cat/07.png": b"<html>", "dog/10.png": None, "cat/13.png": "32 bits"}
    for name, content in bad.items():
        file = tmp_path / "photos" / name
        if content == "32 bits":
            Image.fromarray(np.full((4, 4), 6e4, np.float32)).save(file, format="TIFF")
        else:
            file.write_bytes(file.read_bytes()[:100] if content is None else content)
    encoder = "{name: timm, model: resnet18, weights: random-plumbing-test}"
    (tmp_path / "photos.yaml").write_text(
        "suite: photos\nproblems:\n"
        f"  - {{name: classification, dataset: {{name: image_folder, path: {tmp_path}/photos}}, encoder: {encoder}}}\n"
        "trainers: [logistic_regression]\nstrategies: [random]\nbudget: {first: 4, rounds: 1}\nseeds: [0]\n"
    )
    return tmp_path / "photos.yaml", bad


def test_all_bad_images_are_listed_at_once(photos):
    """Without the model that would read them: its weights may not be on this machine."""
    suite, bad = photos
    suite.write_text(suite.read_text().replace("weights: random-plumbing-test", "weights: file, file: nowhere.pt"))
    done = lbp("data", "check", suite)
    assert done.exit_code == 1
    assert "4 examples cannot be used" in done.stdout
    assert all(name in done.stdout for name in bad)
    assert "dog/04.png cannot be decoded: the file is empty" in done.stdout
    assert "6 bytes are no image of a known format" in done.stdout
    assert "have no range that could be brought to 8 bits" in done.stdout


def test_a_table_that_is_refused_is_named_with_the_line(tmp_path, photos):
    suite, _ = photos
    (tmp_path / "table.csv").write_text("x,kind\n1,a\n,b\n")
    table = f"{{name: feature_table, path: {tmp_path}/table.csv, label: kind}}"
    done = lbp("data", "check", suite, f"problems.0.dataset={table}", "problems.0.encoder=identity")
    assert done.exit_code == 1
    assert "column 'x' must be finite, line 3 is not" in done.stderr


def test_an_encoder_that_does_not_fit_is_refused_with_those_that_do(photos):
    suite, _ = photos
    done = lbp("run", suite, "problems.0.encoder=pixels")
    assert done.exit_code == 2
    assert "has images in files, encoder 'pixels' takes images in memory; encoders for images in files:" in done.stderr
    assert "timm" in done.stderr and "identity" not in done.stderr.rpartition(":")[2]


def test_data_that_can_be_read_say_what_they_are(suite_file):
    done = lbp("data", "check", suite_file())
    assert done.exit_code == 0
    assert "1,797 examples (pool 1,097, validation 200, test 500): images in memory" in done.stdout
    assert "all of it can be read" in done.stdout
