"""Tiny random models, adapters on them, and decoding written out: no cache, one prompt by one, double precision."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from labelbench_plus.decoding.rule import Rule
from labelbench_plus.models.weights import lent_generator

WIDTH = 40
PROMPTS = ([5, 6, 7], [9], [3, 4, 5, 6, 11, 2], [8, 8])


def llama(seed: int, *, layers: int = 3, vocabulary: int = WIDTH, **config):
    """A Llama with random weights in double precision, large enough that models disagree."""
    from transformers import LlamaConfig, LlamaForCausalLM

    settings = {
        "vocab_size": vocabulary,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.4,
        "tie_word_embeddings": False,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    with lent_generator(torch.Generator().manual_seed(seed)):
        return LlamaForCausalLM(LlamaConfig(**settings | config)).double().eval()


def gpt2(seed: int):
    from transformers import GPT2Config, GPT2LMHeadModel

    with lent_generator(torch.Generator().manual_seed(seed)):
        config = GPT2Config(
            vocab_size=WIDTH, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.4, eos_token_id=2
        )
        return GPT2LMHeadModel(config).double().eval()


def adapted(base, seed: int, *, name: str = "default", model=None, **config):
    """The base as a peft model with a random adapter, whose B is not zero."""
    import peft

    settings = {
        "r": 3,
        "lora_alpha": 6,
        "target_modules": ["q_proj", "v_proj", "down_proj"],
        "init_lora_weights": False,
    }
    with lent_generator(torch.Generator().manual_seed(seed)):
        lora = peft.LoraConfig(task_type="CAUSAL_LM", **settings | config)
        if model is None:
            model = peft.get_peft_model(base, lora, adapter_name=name, autocast_adapter_dtype=False)
        else:
            model.add_adapter(name, lora)
    for parameter_name, parameter in model.named_parameters():
        if f".{name}." in parameter_name:
            parameter.data = parameter.data.to(next(model.parameters()).dtype)
    return model.eval()


def said(decoded) -> tuple[tuple[int, ...], ...]:
    """What was said to each prompt."""
    return tuple(map(tuple, decoded.responses()))


@torch.no_grad()
def written_out(
    models: Sequence,
    prompts: Sequence[Sequence[int]],
    weights: Sequence[float],
    rule: Rule,
    steps: int,
    ending: int | None,
    reference=None,
) -> tuple[tuple[int, ...], ...]:
    """Greedy decoding: every step reads every prompt from its beginning, with every model."""
    found = []
    for prompt in prompts:
        so_far: list[int] = []
        carried, carried_reference = torch.zeros(len(models), 1).double(), torch.zeros(1).double()
        for _ in range(steps):
            ids = torch.tensor([[*prompt, *so_far]])
            scores = torch.stack([model(input_ids=ids, use_cache=False).logits[:, -1] for model in models])
            base = reference(input_ids=ids, use_cache=False).logits[:, -1] if reference is not None else None
            sequence = rule.scope == "sequence"
            logs = rule.combined(
                scores,
                weights,
                base,
                carried if sequence else None,
                carried_reference if sequence and base is not None else None,
            )
            token = int(logs.argmax())
            carried = carried + torch.log_softmax(scores, dim=-1)[:, :, token]
            if base is not None:
                carried_reference = carried_reference + torch.log_softmax(base, dim=-1)[:, token]
            if token == ending:
                break
            so_far.append(token)
        found.append(tuple(so_far))
    return tuple(found)
