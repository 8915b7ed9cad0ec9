"""Pages, help, messages, docstrings and comments avoid phrases that stop readers. `make check` runs proselint too."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.architecture.imports import modules, tree
from tests.docs.pages import ROOT, written

PHRASES = {
    r"(gone|going) on with\b": "resumed, continued",
    r"is never done again|not done again": "never recomputed",
    r"\bdear(er|est)?\b": "expensive, the most expensive",
    r"\bso many (seconds|jobs|runs|percent)\b": "this many seconds; --probe SECONDS",
    r"another one each time": "default: random",
    r"what was got|was got for|could not be had|(is|are|was) to be had": "what was bought; obtained; available",
    r"as of the (fit|file|run)": "at the time of",
    r"nobody's to|is nobody's": "we may not",
    r"told at once|tells? what is wrong": "all problems are reported together",
    r"could not be called so|cannot be called so": "invalid call",
    r"without a word": "silently",
    r"\b(one|prompt|object|line|number) an? (row|line|policy|reward|model|item|round|prompt|adapter)\b": "one per row",
    r"strangers?'s? (code|strateg\w+|plugins?|submissions?)|a stranger's": "third-party",
    r"what is not there": "what is missing",
    r"nobody paid for": "that were not bought",
    r"there is no such file": "no such file",
    r"as it is\.$|\bserves? \w+ as (it is|they are)": "unchanged",
    r"\bfailed alike\b": "failed in the same way",
    r"units? of money": "units of budget",
    r"tied as far as|told apart|(is|are) nowhere near|cannot be said": "do not differ significantly; not clear",
    r"taken at its word|the truth is told": "read with caution",
    r"\bgains? on random\b": "gains over random",
    r"in the mean\b|from nothing\b": "on average; from scratch",
    r"all that (decides|is wrong)|what was done to trust": "everything that determines; how far it was verified",
}
"""Regular expression: what to write instead. A new one is added with its last occurrence gone."""
PAGES = [
    *written(),
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "RELEASE.md")),
    *(ROOT / folder / "README.md" for folder in ("slurm", "results")),
    *sorted((ROOT / "benchmarks").rglob("*.md")),
]


def faults(text: str, where: str) -> Iterator[str]:
    """Each phrase to avoid, with what to write instead."""
    plain = " ".join(re.sub(r"```.*?```|`[^`\n]+`", "", text, flags=re.DOTALL).split())
    for phrase, better in PHRASES.items():
        for found in re.finditer(phrase, plain, flags=re.IGNORECASE):
            around = plain[max(found.start() - 30, 0) : found.end() + 30]
            yield f"{where}: {found[0]!r} in '{around}': write: {better}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_has_none_of_them(page):
    assert not list(faults(page.read_text(encoding="utf-8"), page.name))


def shown(module: str) -> Iterator[tuple[int, str]]:
    """What a module shows to people: its messages, and of commands the docstrings, which are their help."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = list(ast.walk(tree(module)))
    silent = {
        id(part)
        for node in nodes
        for part in (ast.walk(node) if isinstance(node, ast.JoinedStr) else _docstrings(node, documented))
        if part is not node
    }
    commands = module.startswith("labelbench_plus.commands")
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and (commands or id(node) not in silent):
            yield node.lineno, node.value


def _docstrings(node: ast.AST, documented: tuple[type[ast.AST], ...]) -> Iterator[ast.AST]:
    """The texts that stand alone as statements: docstrings of modules, classes, functions and constants."""
    if isinstance(node, documented):
        yield from (each.value for each in node.body if isinstance(each, ast.Expr))  # type: ignore[attr-defined]


def test_messages_and_help_have_none_of_them():
    found = []
    for module in modules():
        for line, text in shown(module):
            found += faults(text, f"{module}:{line}")
    assert not found, "\n".join(found)


def test_docstrings_and_comments_have_none_of_them():
    found = []
    for module, path in modules().items():
        with tokenize.open(path) as file:
            tokens = [(token.start[0], token) for token in tokenize.generate_tokens(file.readline)]
        texts = [(line, token.string) for line, token in tokens if token.type == tokenize.COMMENT]
        statements = [node.value for node in ast.walk(tree(module)) if isinstance(node, ast.Expr)]
        texts += [(value.lineno, str(value.value)) for value in statements if isinstance(value, ast.Constant)]
        for line, text in texts:
            found += faults(text, f"{module}:{line}")
    assert not found, "\n".join(found)


def test_a_phrase_to_avoid_is_named():
    assert list(faults("This is gone on\nwith by the same command.", "x"))
    assert list(faults("A dear model", "x")) == ["x: 'dear' in 'A dear model': write: expensive, the most expensive"]
    assert not list(faults("```bash\ndear\n```\nand `dear`", "x"))
