"""Vision-language models that tests make in a second: random weights, words for tokens, processors of their own."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from labelbench_plus.models.weights import library

WORDS = (
    *("Is", "this", "true", "of", "the", "picture", "?", ".", ":", "Answer", "with", "one", "word", "letter", "or"),
    *("yes", "no", "Yes", "No", "A", "B", "C", "D", "cat", "left", "right", "box", "behind", "Which", "these", "is"),
)
TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "max_position_embeddings": 512}  # fmt: skip
SIDE, PATCH = 16, 8


def tokenizer(*special: str):
    vocabulary = {word: number for number, word in enumerate(("<pad>", "<unk>", "<s>", "</s>", *special, *WORDS))}
    made = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = Whitespace()
    return library("transformers", "transformers").PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        additional_special_tokens=list(special),
    )  # fmt: skip


def save_llava(folder: Path) -> Path:
    t = library("transformers", "transformers")
    words = tokenizer("<image>")
    images = t.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    processor = t.LlavaProcessor(
        image_processor=images, tokenizer=words, patch_size=PATCH, vision_feature_select_strategy="default",
        image_token="<image>", num_additional_image_tokens=1,
    )  # fmt: skip
    vision = t.CLIPVisionConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
                                image_size=SIDE, patch_size=PATCH, projection_dim=32)  # fmt: skip
    config = t.LlavaConfig(
        vision_config=vision, text_config=t.LlamaConfig(vocab_size=len(words), **TEXT),
        image_token_index=words.convert_tokens_to_ids("<image>"), vision_feature_layer=-1,
    )  # fmt: skip
    return saved(t.LlavaForConditionalGeneration, config, processor, folder)


def saved(cls, config, processor, folder: Path) -> Path:
    before = torch.random.get_rng_state()
    torch.manual_seed(0)
    model = cls(config)
    torch.random.set_rng_state(before)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_qwen2_vl(folder: Path) -> Path:
    t = library("transformers", "transformers")
    marks = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    words = tokenizer(*marks)
    numbers = dict(zip(("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id"),
                       words.convert_tokens_to_ids(list(marks)), strict=True))  # fmt: skip
    sizes = {"patch_size": PATCH, "temporal_patch_size": 2, "merge_size": 2}
    images = t.Qwen2VLImageProcessor(size={"shortest_edge": SIDE**2, "longest_edge": SIDE**2}, **sizes)
    videos = t.Qwen2VLVideoProcessor(size={"shortest_edge": SIDE**2, "longest_edge": SIDE**2}, **sizes)
    template = chat("<|vision_start|><|image_pad|><|vision_end|>")
    processor = t.Qwen2VLProcessor(images, words, videos, chat_template=template)
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "patch_size": PATCH, "mlp_ratio": 2,
              "spatial_merge_size": 2, "temporal_patch_size": 2}  # fmt: skip
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}
    text = {"vocab_size": len(words), "rope_parameters": rope, **TEXT}
    config = t.Qwen2VLConfig(vision_config=vision, text_config=text, **numbers)
    return saved(t.Qwen2VLForConditionalGeneration, config, processor, folder)


def save_smolvlm(folder: Path) -> Path:
    t = library("transformers", "transformers")
    marks = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    words = tokenizer(*marks)
    for name, mark in zip(("image_token", "fake_image_token", "global_image_token", "end_of_utterance_token"), marks,
                          strict=True):  # fmt: skip
        setattr(words, name, mark)
        setattr(words, f"{name}_id", words.convert_tokens_to_ids(mark))
    images = t.SmolVLMImageProcessor(
        size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=False
    )
    seen = (SIDE // PATCH) ** 2 // 4
    processor = t.SmolVLMProcessor(images, words, t.SmolVLMVideoProcessor(size={"longest_edge": SIDE}), seen,
                                   chat_template=chat("<image>"))  # fmt: skip
    vision = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": SIDE, "patch_size": PATCH}  # fmt: skip
    text = {"model_type": "llama", "vocab_size": len(words), "pad_token_id": 0, **TEXT}
    config = t.SmolVLMConfig(
        vision_config=vision, text_config=text, scale_factor=2, image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
    )  # fmt: skip
    return saved(t.SmolVLMForConditionalGeneration, config, processor, folder)


def chat(image: str) -> str:
    """A form of chats: pictures, then the text."""
    return (
        "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'image' %}"
        + image
        + "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
        + "{% if add_generation_prompt %} Answer :{% endif %}"
    )
