"""A Llama that is drawn from a seed, and its tokenizer of bytes: nothing is read from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelbench_plus.models.weights import lent_generator, library
from labelbench_plus.seeding import Streams, torch_generator
from labelbench_plus.store.artefacts import Artefacts, default_cache_dir

PAD, START, END = "<pad>", "<s>", "</s>"


def byte_tokenizer() -> Any:
    """Every byte of a text is a token; three more say padding, start and end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    transformers = library("transformers", "language")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate((PAD, START, END, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=END, pad_token=PAD
    )


def drawn(width: int, layers: int, heads: int, context: int, seed: int) -> Any:
    """The model with first weights drawn from the seed, in float32 and evaluation mode."""
    transformers = library("transformers", "language")
    config = transformers.LlamaConfig(
        vocab_size=len(byte_tokenizer()),
        hidden_size=width,
        intermediate_size=7 * width // 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    with lent_generator(torch_generator(Streams(seed).rng("tiny llama"))):
        return transformers.LlamaForCausalLM(config).eval()


def written(width: int, layers: int, heads: int, context: int, seed: int) -> Path:
    """A folder with both, from the cache if it was ever written."""

    def write(folder: Path) -> None:
        drawn(width, layers, heads, context, seed).save_pretrained(folder)
        byte_tokenizer().save_pretrained(folder)

    key = {"tiny_llama": [width, layers, heads, context, seed], "version": 1}
    return Artefacts(default_cache_dir()).directory(key, write, what="a tiny Llama")
