"""Vision-language models: answers by log-probability, the road by name on models that tests make."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

from labelbench_plus.budget import Ledger
from labelbench_plus.contracts.datasets import Dataset, LabelledData, Split
from labelbench_plus.encoders import encoders
from labelbench_plus.encoders._vision_language import Asking, answer_tokens, prepared
from labelbench_plus.features.training_inputs import FeatureRows
from labelbench_plus.inputs.questions import Question, Questions
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.models.vision_language import VisionLanguageModel
from labelbench_plus.models.weights import library
from labelbench_plus.problems import Place
from labelbench_plus.problems.classification import Classification
from labelbench_plus.seeding import Streams
from labelbench_plus.spec import RunSpec, incompatibilities
from labelbench_plus.strategies import strategies
from labelbench_plus.trainers import trainers
from tests.encoders.tiny_vision_language import SIDE, save_llava, save_qwen2_vl, save_smolvlm, tokenizer

MADE = {"llava": save_llava, "qwen2_vl": save_qwen2_vl, "smolvlm": save_smolvlm}


@pytest.fixture(scope="module", params=list(MADE))
def folder(request, tmp_path_factory):
    """A tiny model of each family, saved and read again as those of the hub are."""
    with pytest.MonkeyPatch.context() as patch:
        library("transformers", "transformers")
        from transformers.models.smolvlm import processing_smolvlm

        patch.setattr(processing_smolvlm, "num2words", str)  # for films alone; the package need not be there
        yield MADE[request.param](tmp_path_factory.mktemp(request.param))


def built(folder, **fields):
    return encoders.build(
        {"name": "vision_language", "model": "tiny", "weights": "folder", "folder": str(folder), **fields}
    )


def questions(count=3, views=3):
    """Strips of three squares."""
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(count, SIDE, views * SIDE, 3)).astype(np.uint8)
    texts = ["the cat is left of the box", "the cat is behind the box", "the box"] * count
    return Questions(images, Texts(texts[:count]), [("no", "yes")] * count)


def test_one_forward_pass_says_it_all(folder):
    """Of one picture, of three, and of a grid: the model's own log-probabilities and last hidden state, whatever the
    batch."""
    asked = questions()
    found = VisionLanguageModel("tiny", "folder", folder)
    model, processor = found.load("cpu", torch.float32), found.processor()
    seen = set()
    for layout in ("single", "list", "grid"):
        encoder = built(folder, layout=layout)
        encode = encoder.fit(asked)
        features = encode(asked)
        assert features.shape == (3, 2 + 32) and features.dtype == np.float32 and encode(asked[:0]).shape == (0, 34)
        assert np.array_equal(encode(asked[np.array([2, 0])]), features[[2, 0]]), "whatever is asked beside"
        asking = Asking(encoder.ask, encoder.choose, "", layout)
        question = asked.question(0)
        inputs = prepared(processor, asking.text(question), asking.pictures(question.image))
        with torch.no_grad():
            said = model(**inputs, output_hidden_states=True)
        logs = said.logits[0, -1].log_softmax(dim=0)
        words = [processor.tokenizer.convert_tokens_to_ids(each) for each in (["no", "No"], ["yes", "Yes"])]
        both = [logs[pair].exp().sum().log() for pair in words]
        assert np.allclose(features[0, :2], torch.stack(both), atol=1e-4)
        assert np.allclose(features[0, 2:], said.hidden_states[-1][0, -1], atol=1e-4)
        seen.add(features.tobytes())
        assert len(asking.pictures(question.image)) == {"single": 1, "list": 3, "grid": 1}[layout]
    assert len(seen) == 3, "what the model sees makes a difference"
    assert encoder.fingerprint() and not encoder.centred
    other = built(folder, preface="Which picture is left").fit(asked)(asked)
    assert not np.array_equal(other, features), "and so do the words"


def test_wording():
    asking = Asking("Is this true of the picture? {text}", "Which of these?", "Three pictures.", "single")
    blank = np.zeros((2, 2, 3), np.uint8)
    assert asking.text(Question(blank, "a cat", ("no", "yes"))) == (
        "Three pictures.\nIs this true of the picture? a cat\nAnswer with one word: no or yes."
    )
    captions = Question(blank, "", ("a cat on a mat", "a cat under a mat"))
    assert asking.text(captions) == (
        "Three pictures.\nWhich of these?\nA. a cat on a mat\nB. a cat under a mat\nAnswer with one letter."
    )


def test_options_that_begin_alike_are_refused():
    words = tokenizer()
    no, yes = answer_tokens(words, ("no", "yes"))
    assert sorted(words.convert_ids_to_tokens(yes)) == ["Yes", "yes"] and not set(no) & set(yes)
    assert [len(each) for each in answer_tokens(words, ("a cat", "a box", "a dog"))] == [1, 1, 1]
    with pytest.raises(ValueError, match=r"'here' and 'there' begin with the same token .*<unk>"):
        answer_tokens(words, ("here", "there"))


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match=r"expected \{text\} once"):
        built("nowhere", ask="Is it true?")
    with pytest.raises(ValueError, match="takes questions about pictures, got uint8"):
        built("nowhere").fit(np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(FileNotFoundError, match="Ways to get weights"):
        built("nowhere").fit(questions())


@dataclass(frozen=True)
class _Asked(Dataset):
    """Is the picture bright? A quarter of it is."""

    name = "asked"

    def load(self):
        def part(count):
            labels = np.arange(count) % 2
            whole = questions(count, views=1)
            bright = (whole.images // 4 + 180 * labels[:, None, None, None]).astype(np.uint8)
            return Split(whole.with_images(bright), labels, kinds=np.arange(count) % 3)

        return LabelledData(part(24), part(4), part(12), ("no", "yes"), kind_names=("left of", "behind", "other"))

    def fingerprint(self):
        return "asked"


def test_zero_shot_answers_and_a_probe_on_the_same_features(tmp_path):
    folder = save_llava(tmp_path / "model")
    problem = Classification(_Asked(), built(folder))
    streams, ledger = Streams(0), Ledger()
    instance = problem.open(Place(tmp_path / "cache"), streams)
    zero_shot, probe = trainers.build("zero_shot_margin"), trainers.build("logistic_regression")
    nothing = zero_shot.fit(instance.training_data(ledger, with_validation=False), streams, None)
    found = instance.evaluate(nothing)
    raw = problem.encoder.fit(_Asked().load().pool.inputs)(_Asked().load().test.inputs)
    answers = raw[:, :2].argmax(axis=1)
    assert found.scores["accuracy"] == pytest.approx((answers == np.arange(12) % 2).mean())
    assert found.details["kinds"]["examples"] == [4, 4, 4] and found.details["kinds"]["kind"][0] == "left of"
    instance.oracle.answer(np.arange(16), 16.0, ledger)
    learned = probe.fit(instance.training_data(ledger, with_validation=False), streams, None)
    assert instance.evaluate(learned).scores["accuracy"] > 0.9
    restored = zero_shot.model_of(zero_shot.state_of(nothing))
    features = instance._features["test"]
    assert isinstance(features, FeatureRows)
    assert torch.equal(restored.probabilities(features.tensor), nothing.probabilities(features.tensor))
    spec = RunSpec(problem, zero_shot, strategies.build("random"), None, (0.0,), 0)
    assert not incompatibilities(spec)
    pixels = Classification(_Asked(), encoders.build("pixels"))
    (reason,) = incompatibilities(RunSpec(pixels, zero_shot, strategies.build("random"), None, (0.0,), 0))
    assert "option scores" in reason


def test_a_picture_in_a_file_is_asked_about_as_one_in_memory(tmp_path):
    from labelbench_plus.inputs.image_files import FolderImages, ImageFiles

    asked = questions(2, views=1)
    for row in range(2):
        Image.fromarray(asked.images[row]).save(tmp_path / f"{row}.png")
    folder = save_llava(tmp_path / "model")
    in_files = asked.with_images(ImageFiles(FolderImages(tmp_path, ["0.png", "1.png"])))
    encode = built(folder).fit(in_files)
    assert np.array_equal(encode(in_files), encode(asked))
