"""Views: what each synthesiser shows, that nobody sees a label, and what boards are told of them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from labelbench_plus.algorithms.ray_casting import render
from labelbench_plus.augmentations import augmentations
from labelbench_plus.datasets import Dataset, LabelledData, Split, datasets
from labelbench_plus.datasets._drawn_scenes import RELATIONS, relation_of
from labelbench_plus.datasets.with_views import WithViews
from labelbench_plus.encoders import encoders
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles
from labelbench_plus.inputs.layouts import grid, squares_of, strip
from labelbench_plus.inputs.questions import Questions
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.leaderboard.of_suite import meta_of_runs
from labelbench_plus.networks import Task, networks
from labelbench_plus.problems import problems
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec, incompatibilities
from labelbench_plus.strategies import strategies
from labelbench_plus.synthesisers import Photographs, Synthesiser, synthesisers
from labelbench_plus.trainers import trainers

KNOWN = json.loads((Path(__file__).parents[1] / "algorithms" / "known_views.json").read_text())
SCENES = {"name": "spatial_scenes", "pool": 40, "validation": 8, "test": 12, "side": 16}
SMALL = {"name": "reconstructor", "scenes": 64, "steps": 2, "network": {"name": "small_cnn", "width": 4, "cells": 2}}
ALL = ["none", "repeated", "exact", "noisy", "wrong_scene", SMALL]


def with_views(synthesiser, **fields):
    said = {"name": "with_views", "dataset": SCENES, "synthesiser": synthesiser, **fields}
    return datasets.build(said)


def views_of(synthesiser):
    """(n, v, h, h, 3) of the pool, the photograph first."""
    return squares_of(with_views(synthesiser).load().pool.array)


@pytest.fixture(scope="module")
def scenes():
    return datasets.build(SCENES)


@pytest.mark.parametrize("ambiguous", [True, False])
def test_labels_are_what_the_photographer_sees(ambiguous):
    data = datasets.build({**SCENES, "ambiguous": ambiguous})
    pool, drawn = data.load().pool, data.scenes("pool")
    offsets = drawn.centres[:, 0] - drawn.centres[:, 1]
    assert np.array_equal(relation_of(offsets), pool.labels)
    assert np.bincount(pool.labels).tolist() == [10] * 4
    flat = np.abs(offsets[:, 0::2])
    angles = np.degrees(np.arctan2(flat.min(axis=1), flat.max(axis=1)))
    assert angles.max() <= 30 + 1e-9, "at least fifteen degrees from the diagonals"
    assert np.array_equal(pool.inputs, render(drawn, 0.0, 16))
    assert len({data.fingerprint(), replace(data, data_seed=1).fingerprint()}) == 2


def test_known_relations():
    for case in KNOWN["cameras"]["cases"]:
        offset = np.array(case["A"]) - np.array(case["B"])
        for azimuth, seen in case["seen_from"].items():
            assert RELATIONS[relation_of(offset, float(azimuth))] == seen["relation"]


def test_known_layout():
    side, views = KNOWN["layout"]["side"], KNOWN["layout"]["views"]
    squares = np.random.default_rng(0).integers(256, size=(3, views, side, side, 3)).astype(np.uint8)
    laid = strip(squares)
    assert laid.shape == (3, side, views * side, 3)
    for square, columns in enumerate(KNOWN["layout"]["strip_columns"]):
        assert np.array_equal(laid[:, :, columns], squares[:, square])
    assert np.array_equal(squares_of(laid), squares)
    quarters = grid(squares)
    assert quarters.shape == (3, side, side, 3)
    assert np.array_equal(quarters[:, 0, 1], np.rint(squares[:, 1].mean(axis=(1, 2))))
    assert (quarters[:, 1, 1] == 255).all(), "an empty quarter is white"
    with pytest.raises(ValueError, match="room for four squares"):
        grid(np.zeros((1, 5, 2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match="as wide as it is high"):
        squares_of(np.zeros((1, 4, 6, 3), np.uint8))


def test_the_photograph_comes_first_and_views_are_what_they_say(scenes):
    photographs, drawn = scenes.load().pool.array, scenes.scenes("pool")
    exact = views_of("exact")
    for synthesiser in ALL:
        assert np.array_equal(views_of(synthesiser)[:, 0], photographs)
    assert views_of("none").shape[1] == 1
    assert np.array_equal(views_of("repeated"), np.repeat(photographs[:, None], 3, axis=1))
    assert np.array_equal(exact[:, 1], render(drawn, -90.0, 16)) and np.array_equal(
        exact[:, 2], render(drawn, 90.0, 16)
    )
    assert np.array_equal(views_of({"name": "noisy", "depth_error": 0.0}), exact)
    assert not np.array_equal(views_of("noisy"), exact)


def test_noise_leaves_the_photograph_as_it_is(scenes):
    """Where an object is along the ray from the camera cannot be seen: its size grows with it."""
    known = scenes.scenes("pool")
    same = Photographs(scenes.load().pool.array, "pool", known, Streams(0))
    seen = synthesisers.build("noisy").views(same, np.arange(40), (0.0,))[:, 0]
    assert (np.abs(seen.astype(int) - same.images) > 3).mean() < 0.02, "but for what hides what, and for light"


def test_wrong_scenes_are_never_the_right_ones(scenes):
    exact, wrong = views_of("exact")[:, 1:], views_of("wrong_scene")[:, 1:]
    assert {row.tobytes() for row in exact} == {row.tobytes() for row in wrong}
    assert not any(np.array_equal(a, b) for a, b in zip(exact, wrong, strict=True))
    lone = Photographs(np.zeros((1, 8, 8, 3), np.uint8), "pool", scenes.scenes("pool"), Streams(0))
    with pytest.raises(ValueError, match="no other photograph"):
        synthesisers.build("wrong_scene").views(lone, np.array([0]), (90.0,))


@dataclass(frozen=True)
class _Relabelled(Dataset):
    """The same photographs under other labels."""

    name = "relabelled_scenes"

    def load(self):
        data = datasets.build(SCENES).load()
        return replace(data, pool=replace(data.pool, labels=(data.pool.labels + 1) % 4))

    def scenes(self, part):
        return datasets.build(SCENES).scenes(part)

    def fingerprint(self):
        return "relabelled"


@pytest.mark.parametrize("synthesiser", ALL, ids=str)
def test_labels_change_no_view(synthesiser):
    built = with_views(synthesiser)
    other = replace(built, dataset=_Relabelled())
    assert np.array_equal(built.load().pool.array, other.load().pool.array)
    assert built.fingerprint() != other.fingerprint()


def test_a_generator_is_handed_no_scene(monkeypatch):
    handed = {}

    def seen(self, photographs, rows, angles):
        handed[self.source] = photographs.scenes
        return np.repeat(photographs.images[rows][:, None], len(angles), axis=1)

    for name in ("reconstructor", "exact", "repeated"):
        monkeypatch.setattr(synthesisers.load(name), "views", seen)
        with_views(SMALL if name == "reconstructor" else name).load()
    assert handed["generator"] is None and handed["control"] is None and handed["oracle"] is not None


def test_views_must_be_of_their_form_and_scenes_known(monkeypatch):
    def wrong(self, photographs, rows, angles):
        return np.zeros((len(rows), 1, 4, 4, 3), np.uint8)

    monkeypatch.setattr(synthesisers.load("repeated"), "views", wrong)
    with pytest.raises(ValueError, match=r"'repeated': expected views uint8 \(40, 2, 16, 16, 3\), got uint8 \(40, 1"):
        with_views("repeated").load()
    with pytest.raises(ValueError, match="'digits' does not say; 'spatial_scenes' does"):
        with_views("exact", dataset="digits")
    with pytest.raises(ValueError, match="square colour photographs of one size in memory"):
        with_views("none", dataset="digits").load()
    with pytest.raises(ValueError, match="expected different azimuths"):
        with_views("none", angles=[90.0, 90.0])


def test_a_reconstructor_learned_from_other_scenes(scenes):
    from labelbench_plus.synthesisers._reconstruction import _examples, guessed, targets

    learned, wanted = _examples(64, 16)
    shown = {image.tobytes() for image in scenes.load().pool.array}
    assert not shown & {(image.permute(1, 2, 0) * 255).round().byte().numpy().tobytes() for image in learned}
    assert wanted.shape == (64, 11) and wanted[:, -1].tolist() == [-1.0] * 32 + [1.0] * 32
    drawn = scenes.scenes("pool")
    back, floor = guessed(targets(drawn), drawn)
    assert np.allclose(back.centres, drawn.centres) and np.allclose(back.sizes, drawn.sizes)
    assert np.array_equal(back.kinds, drawn.kinds) and not floor.any()


def test_a_trained_reconstructor_knows_where_things_are_and_its_encoder_begins_there():
    """With enough steps it tells left from right; the network `reconstructor` starts from just these weights."""
    built = synthesisers.build({**SMALL, "scenes": 400, "steps": 150})
    data = datasets.build({**SCENES, "ambiguous": False})
    photographs = data.load().pool
    from labelbench_plus.synthesisers._reconstruction import _read

    learned = built.trained(16)
    with torch.no_grad():
        said = learned(_read(photographs.array)).numpy()
    assert ((said[:, 0] > said[:, 5]) == (photographs.labels == 1))[photographs.labels < 2].mean() > 0.9
    begun = networks.build({"name": "reconstructor", "reconstructor": {**SMALL, "scenes": 400, "steps": 150}})
    classifier = begun.build(Task((3, 16, 16), 4), torch.Generator().manual_seed(1))
    for ours, theirs in zip(
        classifier.backbone.state_dict().values(), learned.backbone.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert all(parameter.requires_grad for parameter in classifier.parameters())
    with pytest.raises(ValueError, match="for strips of them there is 'per_view'"):
        begun.build(Task((3, 16, 48), 4), torch.Generator())
    with pytest.raises(ValueError, match="has no network that reads photographs"):
        networks.build({"name": "reconstructor", "reconstructor": "exact"})


def test_one_network_for_all_views():
    """What it says of a strip is what the inner network says of each square, side by side."""
    built = networks.build({"name": "per_view", "network": {"name": "small_cnn", "width": 4, "cells": 2}})
    strips = torch.rand(5, 3, 16, 48)
    classifier = built.build(Task((3, 16, 48), 4), torch.Generator().manual_seed(0)).eval()
    alone = [classifier.backbone.inner(strips[..., 16 * j : 16 * (j + 1)]) for j in range(3)]
    assert torch.allclose(classifier.backbone(strips), torch.cat(alone, dim=1), atol=1e-6)
    assert classifier.head.in_features == 3 * alone[0].shape[1]
    single = built.build(Task((3, 16, 16), 4), torch.Generator().manual_seed(0))
    assert sum(p.numel() for p in single.backbone.parameters()) == sum(
        p.numel() for p in classifier.backbone.parameters()
    )
    inner = built.network.build(Task((3, 16, 16), 4), torch.Generator().manual_seed(0))
    assert {
        f"backbone.inner.{k.removeprefix('backbone.')}": v for k, v in inner.depths().items() if "head" not in k
    } == {k: v for k, v in classifier.depths().items() if "head" not in k}
    with pytest.raises(ValueError, match="reads features, and views are images"):
        networks.build({"name": "per_view", "network": "linear"})


def test_cells_keep_apart_what_is_where():
    image = torch.zeros(1, 3, 48, 48)
    image[..., 20:24, 12:16] = 1  # far enough from every edge
    moved = image.roll(16, dims=3)
    for cells, same in ((1, True), (2, False)):
        built = networks.build({"name": "small_cnn", "width": 4, "cells": cells})
        backbone = built.build(Task((3, 48, 48), 4), torch.Generator().manual_seed(0)).eval().backbone
        assert torch.allclose(backbone(image), backbone(moved), atol=1e-5) is same
    with pytest.raises(ValueError, match="5 cells a side are more than the 4 places"):
        networks.build({"name": "small_cnn", "cells": 5}).build(Task((3, 16, 16), 4), torch.Generator())


def test_one_encoder_for_all_views():
    strips = with_views("exact").load().pool.array
    squares = squares_of(strips)
    encode = encoders.build({"name": "per_view", "encoder": {"name": "pca", "dimensions": 6}}).fit(strips)
    inner = encoders.build({"name": "pca", "dimensions": 6}).fit(squares.reshape(-1, 16, 16, 3))
    wanted = np.concatenate([inner(squares[:, j]) for j in range(3)], axis=1)
    assert encode(strips).shape == (40, 18) and np.allclose(encode(strips), wanted, atol=1e-5)
    grey = encoders.build({"name": "per_view", "encoder": "pixels"}).fit(strips[..., 0])(strips[:2, ..., 0])
    assert np.array_equal(grey[:, 256:512].reshape(2, 16, 16), squares[:2, 1, ..., 0] / np.float32(255))
    with pytest.raises(ValueError, match="as wide as it is high"):
        encoders.build({"name": "per_view", "encoder": "pixels"}).fit(np.zeros((2, 4, 6, 3), np.uint8))


def problem(synthesiser, **fields):
    said = {"name": "classification", "dataset": {"name": "with_views", "dataset": SCENES, "synthesiser": synthesiser}}
    return problems.build({**said, "encoder": "pixels", **fields})


def spec(synthesiser, network="small_cnn", flip=False):
    inner = {"name": "per_view", "network": network}
    trainer = {"name": "finetune", "network": inner, "augment": {"name": "images", "flip": flip}, "steps": 2}
    made = trainers.build(trainer)
    return RunSpec(problem(synthesiser), made, strategies.build("random"), None, (4.0,), 0)


def test_flips_are_refused():
    """Mirrored, left is right."""
    assert not incompatibilities(spec("exact"))
    (reason,) = incompatibilities(spec("exact", flip=True))
    assert "mirrors images, which changes their class" in reason and "write flip: false" in reason
    assert augmentations.build("images").mirroring() == "flip: false"


@pytest.mark.parametrize(
    ("synthesiser", "role", "bound"),
    [
        ("none", "reference", False),
        ("repeated", "control", False),
        ("wrong_scene", "control", False),
        ("exact", "oracle", True),
        ("noisy", "noisy oracle", True),
        (SMALL, "generator", False),
    ],
    ids=str,
)
def test_boards_tell_sources_apart(synthesiser, role, bound):
    found = problem(synthesiser)
    assert found.dataset_name() == "spatial_scenes"
    assert found.facet_roles() == {"views": role} and found.knows_truth() is bound
    assert set(found.facets()) == {"views", "encoder"}
    needs = found.facet_controls()
    assert needs == ({} if role in ("reference", "control") else {"views": ("repeated", "wrong_scene")})


def test_what_was_learned_elsewhere_is_billed_once():
    assert spec("exact").beside == {}
    assert spec(SMALL).beside == {"pretraining views": 64}
    begun = {"name": "reconstructor", "reconstructor": SMALL}
    assert spec("none", begun).beside == {"pretraining views": 64}
    assert spec(SMALL, begun).beside == {"pretraining views": 64}, "the same scenes"
    (reason,) = incompatibilities(spec({**SMALL, "scenes": 65}, begun))
    assert "'reconstructor' and another plugin both use 'pretraining views'" in reason


def test_a_suite_without_both_controls_says_so():
    def notes(*arms):
        runs = [spec(arm) for arm in arms]
        return [note for note in meta_of_runs(runs, "a suite", "random").notes if "control" in note]

    (note,) = notes("none", "exact")
    assert "lacks the controls repeated and wrong_scene" in note
    (note,) = notes("none", "repeated", SMALL)
    assert "lacks the control wrong_scene" in note
    assert not notes("none", "repeated", "wrong_scene", "exact") and not notes("none", "repeated")


def test_every_synthesiser_has_a_source_and_is_one():
    for name in synthesisers.entries():
        assert issubclass(synthesisers.load(name), Synthesiser)


def test_views_from_files(tmp_path, scenes):
    exact = views_of("exact")
    for row in range(40):
        (tmp_path / "pool" / str(row)).mkdir(parents=True)
        for place, angle in ((1, "-90"), (2, "90")):
            Image.fromarray(exact[row, place]).save(tmp_path / "pool" / str(row) / f"{angle}.png")
    built = synthesisers.build({"name": "files", "folder": str(tmp_path), "made_by": "a renderer"})
    shown = Photographs(scenes.load().pool.array, "pool", None, Streams(0))
    assert np.array_equal(built.views(shown, np.array([7, 2]), (-90.0, 90.0)), exact[[7, 2], 1:])
    before = built.fingerprint()
    Image.new("RGB", (8, 8)).save(tmp_path / "pool" / "7" / "90.png")
    assert built.fingerprint() != before
    with pytest.raises(ValueError, match=r"7/90.png: expected 16 × 16 pixels"):
        built.views(shown, np.array([7]), (90.0,))
    with pytest.raises(FileNotFoundError, match=r"7/45.png: no such view; .* reads PART/ROW/ANGLE.png"):
        built.views(shown, np.array([7]), (45.0,))


@dataclass(frozen=True)
class _Asked(Dataset):
    """Questions about photographs in files, of any size."""

    folder: Path
    name = "asked"

    def load(self):
        def part(*rows):
            files = ImageFiles(FolderImages(self.folder, [f"{row}.png" for row in rows]))
            texts = Texts(f"question {row}" for row in rows)
            return Split(Questions(files, texts, [("no", "yes")] * len(rows)), np.array(rows) % 2)

        return LabelledData(part(0, 1, 2), part(3), part(4, 5), ("no", "yes"))

    def fingerprint(self):
        return "asked"


def test_questions_get_their_views_when_they_are_read(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for row in range(6):
        Image.fromarray(rng.integers(256, size=(20 + row, 30, 3)).astype(np.uint8)).save(tmp_path / f"{row}.png")
    made = []
    of_repeated = synthesisers.load("repeated").views
    monkeypatch.setattr(
        synthesisers.load("repeated"), "views", lambda *a: made.append(a[2].tolist()) or of_repeated(*a)
    )
    built = WithViews(_Asked(tmp_path), synthesisers.build("repeated"), side=16)
    data = built.load()
    assert built.fingerprint() and not made, "not before"
    question = data.pool.inputs[np.array([2, 0])].question(0)
    assert made == [[2]] and question.text == "question 2" and question.image.shape == (16, 48, 3)
    assert np.array_equal(question.image[:, :16], question.image[:, 32:])
    grids = WithViews(_Asked(tmp_path), synthesisers.build("repeated"), layout="grid", side=16).load()
    assert grids.pool.inputs.question(0).image.shape == (16, 16, 3)
    assert grids.pool.inputs.content_hash() != data.pool.inputs.content_hash()
    with pytest.raises(ValueError, match="say with `side`"):
        WithViews(_Asked(tmp_path), synthesisers.build("repeated")).load()
