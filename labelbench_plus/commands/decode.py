"""`lbp decode`: texts from one's own base model and adapters, at any weighting of them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from labelbench_plus.commands.common import Device, Plugins, built, check_writable, load_plugins, stop
from labelbench_plus.shown import say

if TYPE_CHECKING:
    from labelbench_plus.decoding.engine import Decoded
    from labelbench_plus.decoding.rule import Rule
    from labelbench_plus.language.base import OpenBase
    from labelbench_plus.language.templates import Format

EXAMPLE = "{name: causal, model: mine, weights: folder, folder: models/mine}"
TOGETHER = 16  # prompts that are answered together


def decode(
    base: Annotated[str, typer.Option(help=f"The model: its folder, or a base as in a suite, e.g. '{EXAMPLE}'")],
    adapter: Annotated[
        list[str], typer.Option(help="NAME=FOLDER of a LoRA adapter saved by peft; repeat for each objective")
    ],
    prompts: Annotated[Path, typer.Option(help='A text file with one prompt per line, or .jsonl with {"prompt": …}')],
    weights: Annotated[
        list[str],
        typer.Option(
            help="One number per adapter (0.7,0.3), or a .csv with the adapters' names as columns; may be repeated"
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="A file for the texts, as JSON lines; default: print them")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="The most tokens per text")] = 64,
    samples: Annotated[int, typer.Option(min=0, help="Texts to sample per prompt; 0 decodes greedily")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed for sampling; the same draws for every weighting")] = 0,
    divergence: Annotated[
        str,
        typer.Option(
            help="The divergence the adapters were tuned under: reverse_kl, forward_kl, jsd, jeffreys, alpha:0.5"
        ),
    ] = "reverse_kl",
    scope: Annotated[
        Literal["token", "sequence"],
        typer.Option(help="Combine next-token probabilities, or those of whole texts so far"),
    ] = "token",
    kl: Annotated[bool, typer.Option("--kl", help="Report each text's divergence from the base")] = False,
    chat: Annotated[
        Literal["own", "chatml", "plain", "none"], typer.Option(help="The template around a prompt")
    ] = "none",
    plugin: Plugins = None,
    device: Device = "cpu",
) -> None:
    """Answer prompts with adapters tuned to one objective each, at any weighting, without training.

    Weights that sum to 1 trade the objectives off; other sums strengthen or weaken the overall effect, relative to the
    base model. Every prompt is processed once for all weightings.

    Examples:
      lbp decode --base models/mine --adapter kind=a --adapter short=b --prompts p.txt --weights 0.5,0.5
      lbp decode --base models/mine --adapter kind=a --adapter short=b --prompts p.txt --weights 1,0 --samples 4
    """
    load_plugins(plugin)
    folders = _folders(adapter)
    weightings = [each for text in weights for each in _weightings(text, list(folders))]
    asked = _prompts(prompts)
    if out is not None:
        check_writable(out.parent, "--out")
    try:
        rule = _rule(divergence, scope)
        rows = _decoded(_base(base), folders, asked, weightings, rule, chat, max_new_tokens, samples, seed, kl, device)
        if out is None:
            for row in rows:
                say(json.dumps(row, ensure_ascii=False))
            return
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    except (FileNotFoundError, ValueError) as error:
        stop(str(error))
    from labelbench_plus.store.atomic import replace

    replace(out, "".join(lines).encode())
    say(f"{len(lines)} texts: {out}")


def _base(text: str) -> Any:
    folder = Path(text)
    if folder.is_dir():
        from labelbench_plus.plugins import registry

        named = {"name": "causal", "model": folder.resolve().name, "weights": "folder", "folder": str(folder)}
        return registry("bases").build(named)
    return built("bases", "--base", text, EXAMPLE)


def _folders(texts: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            stop(f"--adapter {text!r}: expected NAME=FOLDER")
        if name in found:
            stop(f"--adapter {text!r}: there are two adapters called {name!r}")
        found[name] = Path(folder)
    return found


def _weightings(text: str, names: list[str]) -> list[list[float]]:
    """One weighting of numbers, or those in a table."""
    if text.endswith(".csv"):
        try:
            with open(text, encoding="utf-8", newline="") as file:
                table = csv.DictReader(file)
                if sorted(table.fieldnames or ()) != sorted(names):
                    stop(f"--weights {text}: expected the columns {', '.join(names)}, got {table.fieldnames}")
                return [[_number(row[name], f"{text}: line {table.line_num}") for name in names] for row in table]
        except FileNotFoundError:
            stop(f"--weights {text}: no such file")
    found = [_number(each, repr(text)) for each in text.split(",")]
    if len(found) != len(names):
        stop(f"--weights {text!r}: expected {len(names)} numbers, for {', '.join(names)}, got {len(found)}")
    return [found]


def _number(text: str | None, where: str) -> float:
    try:
        found = float(text or "")
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        stop(f"--weights {where}: expected finite numbers, got {text!r}")
    return found


def _prompts(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        stop(f"--prompts {path}: no such file")
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if path.suffix != ".jsonl":
            found.append(line)
            continue
        try:
            found.append(json.loads(line)["prompt"])
        except (json.JSONDecodeError, KeyError, TypeError):
            stop(f'--prompts {path}: line {number}: expected an object {{"prompt": "…"}}, got {line[:60]!r}')
        if not isinstance(found[-1], str):
            stop(f"--prompts {path}: line {number}: expected a text as prompt, got {found[-1]!r}")
    if not found:
        stop(f"--prompts {path}: it contains no prompts")
    return found


def _rule(divergence: str, scope: Literal["token", "sequence"]) -> Rule:
    from labelbench_plus.algorithms.decoding import divergences
    from labelbench_plus.decoding.rule import Rule

    name, _, alpha = divergence.partition(":")
    try:
        number = float(alpha) if alpha else None
    except ValueError:
        raise ValueError(f"--divergence {divergence!r}: expected a number after 'alpha:'") from None
    return Rule(divergences.divergence(name, number), scope)


def _decoded(
    base: Any,
    folders: dict[str, Path],
    prompts: list[str],
    weightings: list[list[float]],
    rule: Rule,
    chat: Literal["own", "chatml", "plain", "none"],
    max_new_tokens: int,
    samples: int,
    seed: int,
    kl: bool,
    device: str,
) -> Iterator[dict[str, Any]]:
    """Texts prompt by prompt, under each weighting. Adapters that no weighting needs are not read."""
    import numpy as np

    from labelbench_plus.decoding.adapters import Adapter, read_adapter
    from labelbench_plus.decoding.engine import decode
    from labelbench_plus.decoding.fused import FusedPolicies
    from labelbench_plus.language.base import open_base
    from labelbench_plus.language.templates import Format, Template

    opened: OpenBase = open_base(base, device)
    used = [any(weights[index] for weights in weightings) for index in range(len(folders))]
    adapters = [
        read_adapter(folder, opened.model) if wanted else Adapter({})
        for wanted, folder in zip(used, folders.values(), strict=True)
    ]
    form = Format(Template(chat=chat), opened.tokenizer)
    ids = [form.prompt(prompt) for prompt in prompts]
    if (longest := max(map(len, ids)) + max_new_tokens) > opened.context:
        raise ValueError(
            f"a prompt and {max_new_tokens} tokens come to {longest}, and the model reads {opened.context}"
        )
    policies = FusedPolicies(opened.model, adapters, len(opened.tokenizer))
    rng, repeats = np.random.default_rng(seed), max(samples, 1)
    for at in range(0, len(prompts), TOGETHER):
        rows = [number for number in range(at, min(at + TOGETHER, len(prompts))) for _ in range(repeats)]
        found = decode(
            policies,
            [ids[number] for number in rows],
            weightings,
            max_new_tokens=max_new_tokens,
            ending=[form.end],
            rule=rule,
            uniforms=rng.random((len(rows), max_new_tokens)) if samples else None,
            kl=kl,
        )
        for weights, decoded in zip(weightings, found, strict=True):
            named = dict(zip(folders, weights, strict=True))
            for row, number in enumerate(rows):
                yield {"prompt": prompts[number], "weights": named, **_row(decoded, row, form)}


def _row(decoded: Decoded, row: int, form: Format) -> dict[str, Any]:
    """What is told of one text."""
    found = {
        "text": form.text(decoded.responses()[row]),
        "ended": bool(decoded.ended[row]),
        "log_probability": round(float(decoded.log_probabilities[row].sum()), 4),
    }
    return found if decoded.kl is None else found | {"kl": round(float(decoded.kl[row].sum()), 4)}
