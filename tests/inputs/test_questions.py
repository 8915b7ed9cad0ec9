"""Questions about pictures: files that are read row by row, options that are shuffled, and how answers are scored."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labelbench_plus.datasets import datasets
from labelbench_plus.features.reading import floors, read_all
from labelbench_plus.inputs.question_files import read_captions, read_statements, read_triples, relation_of
from labelbench_plus.inputs.questions import Questions, shuffled
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.metrics import metrics
from labelbench_plus.problems.classification import by_kind
from labelbench_plus.testing import check_dataset

KNOWN = json.loads((Path(__file__).parents[1] / "algorithms" / "known_views.json").read_text())


def pictures(folder, names):
    rng = np.random.default_rng(0)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(6, 8, 3)).astype(np.uint8)).save(path)


def test_known_lines_are_good_or_told_by_number():
    known = KNOWN["questions"]
    read = read_statements(known["lines"])
    assert list(read.good) == known["good"] and read.bad == {int(n): what for n, what in known["bad"].items()}
    assert np.mean([row.right for row in read.good.values()]) == known["always_yes"]
    with pytest.raises(ValueError, match=r"vsr.jsonl: 2 of 4 rows cannot be used: row 2: not valid JSON; row 3: label"):
        read.rows(Path("vsr.jsonl"))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"image": "1.jpg", "caption": "a", "label": true, "relation": "on"}', "label must be 0 or 1"),
        ('{"image": "", "caption": "a", "label": 1, "relation": "on"}', "image must be a text"),
        ('{"image": "1.jpg", "label": 1, "relation": "on"}', "caption must be a text"),
        ('{"image": "1.jpg", "image": "2.jpg", "caption": "a", "label": 1, "relation": "on"}', "not valid JSON"),
        ("[]", "expected a JSON object"),
    ],
)
def test_what_else_can_be_wrong_with_a_statement(line, what):
    assert read_statements([line]).bad == {1: what}


def test_captions_and_triples_are_told_by_number_too():
    good = {"image_path": "data/a.jpg", "caption_options": ["A left of B", "A right of B", "A on B", "A under B"]}
    bad = [{"image_path": "b.jpg", "caption_options": ["x", "x", "y", "z"]}, {"image_path": "c.jpg"}, 3]
    read = read_captions(json.dumps([good, *bad]).encode())
    assert list(read.good) == [0] and read.good[0].relation == "left of"
    assert list(read.bad.values()) == [
        "two of its captions are alike", "caption_options must be four texts", "expected a JSON object",
    ]  # fmt: skip
    triples = [[7, "a cat on a mat", "a cat under a mat"], [8, "same", "same"], [9, "one"], [True, "a", "b"]]
    read = read_triples(json.dumps(triples).encode(), lambda image: f"{image:04d}.jpg")
    assert list(read.good) == [0] and read.good[0].image == "0007.jpg" and len(read.bad) == 3
    with pytest.raises(ValueError, match="expected a list of rows, got dict"):
        read_captions(b"{}")
    with pytest.raises(ValueError, match="not valid JSON"):
        read_triples(b"[1,", str)
    assert relation_of("A cup to the left of a plate.") == "to the left of" and relation_of("A cup") == ""


def test_who_always_takes_the_first_option_is_right_by_chance():
    options = [tuple(f"{row} {word}" for word in ("right", "b", "c", "d")) for row in range(4000)]
    turned, right = shuffled(options, np.zeros(4000, dtype=np.int64), np.random.default_rng(0))
    assert all(given[place].endswith("right") for given, place in zip(turned, right, strict=True))
    assert abs((right == 0).mean() - 1 / 4) < 0.03
    again, same = shuffled(options, np.zeros(4000, dtype=np.int64), np.random.default_rng(0))
    assert again == turned and np.array_equal(same, right)


def test_pairs_and_sets_are_right_as_a_whole():
    known = KNOWN["whats_up"]["example"]
    correct = np.array(known["correct"])  # sets × (left, right, on, under)
    right = torch.from_numpy(correct.ravel()).long()
    groups = torch.arange(3).repeat_interleave(4) * 2 + torch.tensor([0, 0, 1, 1]).repeat(3)
    answers, labels = torch.eye(2)[right], torch.ones(12, dtype=torch.long)
    assert metrics.build("accuracy").score(answers, labels) == pytest.approx(known["individual"])
    assert metrics.build("pair_accuracy").score(answers, labels, groups) == pytest.approx(known["pair"])
    assert metrics.build("set_accuracy").score(answers, labels, groups) == pytest.approx(known["set"])
    assert metrics.build("pair_accuracy").denominators(labels.numpy(), groups.numpy()) == {6}
    assert metrics.build("set_accuracy").denominators(labels.numpy(), groups.numpy()) == {3}
    some = torch.where(groups < 4, groups, -1)  # what is in no group does not count
    assert metrics.build("set_accuracy").score(answers, labels, some) == pytest.approx(1 / 2)
    with pytest.raises(ValueError, match="no example is in a group"):
        metrics.build("pair_accuracy").score(answers, labels, torch.full((12,), -1))


def test_scores_by_relation():
    table = by_kind(np.array([True, False, True, True]), np.array([2, 2, 0, 2]), ("behind", "left of", "on"))
    assert table == {"kind": ["behind", "on"], "examples": [1, 3], "accuracy": [1.0, 2 / 3]}


def test_questions_are_chosen_like_an_array():
    images = np.arange(4 * 2 * 2 * 3, dtype=np.uint8).reshape(4, 2, 2, 3)
    options = [(f"a{row}", f"b{row}") for row in range(4)]
    whole = Questions(images, Texts("wxyz"), options)
    some = whole[np.array([3, 1])]
    assert len(some) == 2 and some.question(0).text == "z" and some.question(0).options == ("a3", "b3")
    assert np.array_equal(some.question(1).image, images[1]) and len(whole[1:]) == 3
    hashes = {whole.content_hash(), some.content_hash(), whole.with_images(images + 1).content_hash()}
    hashes.add(Questions(images, Texts("wxyz"), [given[::-1] for given in options]).content_hash())
    assert len(hashes) == 4
    with pytest.raises(ValueError, match="question 1 needs 2 different options"):
        Questions(images[:2], Texts("ab"), [("x", "y"), ("x", "x")])
    with pytest.raises(ValueError, match="4 images, 2 texts"):
        Questions(images, Texts("ab"), options)


@pytest.fixture
def vsr(tmp_path):
    """As it is published: three files of lines, and photographs; twelve sentences in the pool."""
    sizes = {"train": 12, "dev": 4, "test": 8}
    names = iter(f"{number:012d}.jpg" for number in range(24))
    for part, size in sizes.items():
        rows = [
            {
                "image": next(names),
                "caption": f"The cat is {relation} the box.",
                "label": int(row % 4 > 0),
                "relation": relation,
            }
            for row, relation in zip(range(size), ["left of", "behind"] * size, strict=False)
        ]
        (tmp_path / "random").mkdir(exist_ok=True)
        (tmp_path / "random" / f"{part}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pictures(tmp_path / "images", [f"{number:012d}.jpg" for number in range(24)])
    return tmp_path


def test_vsr(vsr):
    built = datasets.build({"name": "vsr", "root": str(vsr)})
    data = built.load()
    assert data.class_names == ("no", "yes") and data.kind_names == ("behind", "left of")
    assert [len(part.labels) for part in (data.pool, data.validation, data.test)] == [12, 4, 8]
    first = data.test.inputs.question(0)
    assert first.options == ("no", "yes") and first.text == "The cat is left of the box." and data.test.labels[0] == 0
    assert np.array_equal(data.test.kinds, [1, 0] * 4)
    assert "always 'no' 25.0%, always 'yes' 75.0%; by chance 50.0%" in floors(data)
    assert any("without looking" in fact for fact in read_all(data).facts)
    report = check_dataset(built)
    assert report.passed, str(report)
    assert not built.mirror_keeps_class
    lines = (vsr / "random" / "train.jsonl").read_text().splitlines()
    (vsr / "random" / "train.jsonl").write_text("\n".join([lines[0], lines[1][:-9], *lines[2:]]))
    with pytest.raises(ValueError, match=r"train.jsonl: 1 of 12 rows cannot be used: row 2: not valid JSON"):
        built.load()
    with pytest.raises(FileNotFoundError, match="Ways to get it"):
        datasets.build({"name": "vsr", "root": str(vsr / "nowhere")}).load()


@pytest.fixture
def whats_up(tmp_path):
    """Eight sets of four photographs: two things, and where one is."""
    words = ("to the left of", "to the right of", "on", "under")
    rows = []
    for number in range(8):
        captions = [f"A cup {number} {word} a chair" for word in words]
        for place in range(4):
            others = [caption for caption in captions if caption != captions[place]]
            path = f"data/controlled_images/{number}_{place}.jpg"
            rows.append({"image_path": path, "caption_options": [captions[place], *others]})
    (tmp_path / "controlled_images_dataset.json").write_text(json.dumps(rows))
    pictures(tmp_path, [row["image_path"].removeprefix("data/") for row in rows])
    return tmp_path


def test_whats_up(whats_up):
    built = datasets.build({"name": "whats_up", "root": str(whats_up)})
    data = built.load()
    assert len(data.pool.labels) == len(data.test.labels) == 16 and not len(data.validation.labels)
    for part in (data.pool, data.test):
        assert np.bincount(part.groups).tolist() == [2] * 8, "four sets, two pairs each"
        for row, (label, group) in enumerate(zip(part.labels, part.groups, strict=True)):
            right = part.inputs.question(row).options[label]
            assert (" left " in right or " right " in right) == (group % 2 == 0)
    assert len(set(data.pool.labels.tolist())) > 1, "the right caption is first on disk, and anywhere here"
    assert not {*data.pool.inputs.options} & {*data.test.inputs.options}
    report = check_dataset(built)
    assert report.passed, str(report)


@pytest.mark.parametrize(("name", "prefix", "folder", "file"), [
    ("coco_spatial", "coco", "val2017", "000000000007.jpg"), ("gqa_spatial", "vg", "vg_images", "7.jpg"),
])  # fmt: skip
def test_right_and_wrong_captions(name, prefix, folder, file, tmp_path):
    rows = [[7 + row // 2, f"a cat {row} on the left", f"a cat {row} on the right"] for row in range(20)]
    (tmp_path / f"{prefix}_qa_one_obj.json").write_text(json.dumps(rows[:12]))
    (tmp_path / f"{prefix}_qa_two_obj.json").write_text(json.dumps(rows[12:]))
    template = "{:012d}.jpg" if folder == "val2017" else "{}.jpg"
    pictures(tmp_path / folder, [template.format(number) for number in range(7, 17)])
    assert (tmp_path / folder / file).is_file()
    built = datasets.build({"name": name, "root": str(tmp_path), "test_share": 0.3})
    data = built.load()
    assert len(data.pool.labels) == 14 and len(data.test.labels) == 6
    for row, label in enumerate(data.pool.labels):
        assert data.pool.inputs.question(row).options[label].endswith("left")
    assert 0 < data.pool.labels.mean() < 1
    report = check_dataset(built)
    assert report.passed, str(report)
