"""Models answer together only if every id means the same to all of them."""

from __future__ import annotations

import pytest

from labelbench_plus.decoding.tokenizers import check_same_tokenizer, tokenizer_fingerprint

WORDS = {"<s>": 0, "</s>": 1, "<unk>": 2, "a": 3, "b": 4, "c": 5}


def tokenizer(words=WORDS, *, begins=False, lower=False, **special):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel(dict(words), unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if lower:
        inner.normalizer = normalizers.Lowercase()
    if begins:
        inner.post_processor = processors.TemplateProcessing(single="<s> $0", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, **{"unk_token": "<unk>", "eos_token": "</s>"} | special)


def test_padding_and_truncation_are_no_part_of_it():
    one, other = tokenizer(), tokenizer(pad_token="</s>", padding_side="left")
    other.pad_token = None
    other.backend_tokenizer.enable_truncation(3)
    other.backend_tokenizer.enable_padding()
    assert tokenizer_fingerprint(one) == tokenizer_fingerprint(other)
    check_same_tokenizer({"one": one, "other": other})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"words": WORDS | {"b": 5, "c": 4}}, "id 4 is 'b' in the one and 'c' in the other"),
        ({"words": WORDS | {"d": 6}}, "id 6 is no token in the one and 'd' in the other"),
        ({"begins": True}, "ids are the same, but not"),
        ({"lower": True}, "ids are the same, but not normalizer"),
        ({"eos_token": "<s>"}, "ids are the same, but not added_tokens"),
    ],
)
def test_the_first_difference_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        check_same_tokenizer({"helpful": tokenizer(), "same": tokenizer(), "harmless": tokenizer(**settings)})
