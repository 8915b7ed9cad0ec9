"""How a conversation becomes tokens, and where an answer begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from annotated_types import Ge

from labelbench_plus.inputs.conversations import Conversation, Turn, turns

CHATML = {
    "system": "<|im_start|>system\n{}<|im_end|>\n",
    "user": "<|im_start|>user\n{}<|im_end|>\n",
    "assistant": "<|im_start|>assistant\n{}<|im_end|>\n",
}
PLAIN = {"system": "{}\n\n", "user": "Question: {}\n", "assistant": "Answer: {}\n"}
NONE = {"system": "{}", "user": "{}", "assistant": "{}"}
FORMS = {"chatml": CHATML, "plain": PLAIN, "none": NONE}
PROBE = "an answer"


@dataclass(frozen=True)
class Template:
    """What is put around what people say. Part of a run's identity.

    Attributes
    ----------
    chat: "own": what comes with the tokenizer. "chatml": `<|im_start|>user\\n…<|im_end|>`, without the system prompt
        that some models' own template adds. "plain": "Question: …" and "Answer: …" on lines of their own. "none":
        turns as they are.
    system: said first, to every prompt that has no system turn of its own; null for nothing.
    pooling: of the hidden states of a prompt's tokens to one vector.
    max_tokens: the most that a prompt may have, template included.
    too_long: of a prompt with more: "refuse" it with an error before any work, or keep the "start" or the "end" of its
        last turn, as much as fits.
    """

    chat: Literal["own", "chatml", "plain", "none"] = "own"
    system: str | None = None
    pooling: Literal["mean", "last"] = "mean"
    max_tokens: Annotated[int, Ge(1)] = 512
    too_long: Literal["refuse", "start", "end"] = "refuse"

    def with_system(self, said: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Turns with what is said first to every prompt."""
        if self.system is None or said[0].role == "system":
            return said
        return (Turn("system", self.system), *said)

    def rendered(self, said: tuple[Turn, ...]) -> str:
        """Turns as one text, up to where an answer begins; of any `chat` but "own", which a tokenizer has."""
        forms = FORMS[self.chat]
        header = forms["assistant"].partition("{}")[0].rstrip(" ")  # a blank belongs to the token that follows it
        return "".join(forms[turn.role].format(turn.text) for turn in said) + header

    def answer(self, text: str) -> str:
        """An answer as it follows what was rendered, without what ends it."""
        return f" {text}" if self.chat == "plain" and text else text


class Format:
    """A template with a tokenizer: prompts and answers as tokens.

    An answer's tokens are those of its text alone, followed by `end`. They follow the prompt's as they would if the
    model had written them, so no token spans prompt and answer, and what is taught is what is generated.

    Attributes
    ----------
    end: the token that ends an answer.

    Raises
    ------
    ValueError
        The tokenizer has no template of its own, or no token that ends a text.
    """

    def __init__(self, template: Template, tokenizer: Any) -> None:
        self.template, self.tokenizer = template, tokenizer
        if tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer has no token that ends a text (eos_token)")
        if template.chat == "own" and not tokenizer.chat_template:
            raise ValueError("the tokenizer has no chat template of its own; choose chat: chatml, plain or none")
        self._start = [] if template.chat in ("own", "chatml") else self._first()
        self.end = self._end()

    def prompt(self, prompt: Conversation) -> list[int]:
        """The tokens of a prompt, up to where its answer begins: at most `max_tokens`.

        Raises
        ------
        ValueError
            It has no tokens, or more than may be (the message says how many).
        """
        said = self.template.with_system(turns(prompt))
        tokens = self._tokens(said)
        if not tokens:
            raise ValueError("a prompt is empty")
        if len(tokens) <= self.template.max_tokens:
            return tokens
        if self.template.too_long == "refuse":
            raise ValueError(
                f"a prompt has {len(tokens)} tokens, and max_tokens is {self.template.max_tokens}: raise it, or choose "
                f"too_long: start or end, which keeps as much of it as fits: {said[-1].text[:80]!r}"
            )
        return self._cut(said)

    def answer(self, text: str) -> list[int]:
        """The tokens of an answer, with the one that ends it."""
        return [*self._ids(self.template.answer(text)), self.end]

    def text(self, tokens: Sequence[int]) -> str:
        """An answer's text from its tokens, without the one that ends it."""
        found: str = self.tokenizer.decode(
            [token for token in tokens if token != self.end],
            skip_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )
        return found.removeprefix(" ") if self.template.chat == "plain" else found

    def opening(self) -> list[int]:
        """The tokens that precede what a user says first: a model that continues them writes prompts."""
        if self.template.chat != "own":
            before = self.template.rendered(self.template.with_system((Turn("user", PROBE),)))
        else:
            before = self._own(self.template.with_system((Turn("user", PROBE),)))
        return self._start + self._ids(before[: before.index(PROBE)].rstrip(" "))

    def closing(self) -> tuple[int | None, str]:
        """What follows what a user says first, up to where the answer begins: there, a model has written a prompt.

        Returns
        -------
        The special token that ends the turn, and an empty text; or None and the text that does.

        Raises
        ------
        ValueError
            The template puts nothing there, or nothing before what the user says: nobody could tell prompt from answer.
        """
        said = self.template.with_system((Turn("user", PROBE),))
        text = self._own(said) if self.template.chat == "own" else self.template.rendered(said)
        after = text.rpartition(PROBE)[2].rstrip()
        if not after or not self.opening():
            raise ValueError(
                f"chat: {self.template.chat} puts nothing around what a user says, so a model cannot write prompts; "
                "choose chat: plain, or one of a chat's templates"
            )
        first = self._ids(after.lstrip())[0]
        return (first, "") if first in self.tokenizer.all_special_ids else (None, after)

    def _tokens(self, said: tuple[Turn, ...]) -> list[int]:
        text = self._own(said) if self.template.chat == "own" else self.template.rendered(said)
        return self._start + self._ids(text)

    def _own(self, said: tuple[Turn, ...]) -> str:
        messages = [{"role": turn.role, "content": turn.text} for turn in said]
        text: str = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def _first(self) -> list[int]:
        """The token that begins every text, if the tokenizer has one that it puts there."""
        start = self.tokenizer.bos_token_id
        found = self.tokenizer("a").input_ids
        return [start] if start is not None and found[:1] == [start] else []

    def _end(self) -> int:
        """The token after an answer: in a tokenizer's own template it need not be the one that ends texts."""
        if self.template.chat == "chatml":
            closing = "<|im_end|>"
        elif self.template.chat == "own":
            messages = [{"role": "user", "content": "a question"}, {"role": "assistant", "content": PROBE}]
            text: str = self.tokenizer.apply_chat_template(messages, tokenize=False)
            closing = text.rpartition(PROBE)[2].lstrip()
        else:
            return int(self.tokenizer.eos_token_id)
        found = self._ids(closing)[:1]
        special = bool(found) and found[0] in self.tokenizer.all_special_ids
        if self.template.chat == "chatml" and not special:
            raise ValueError("the tokenizer does not know <|im_end|>; choose chat: own, plain or none")
        return found[0] if special else int(self.tokenizer.eos_token_id)

    def _cut(self, said: tuple[Turn, ...]) -> list[int]:
        """As much of the last turn as fits: its first or its last characters."""
        last, before = said[-1], said[:-1]

        def kept(characters: int) -> list[int]:
            at_end = self.template.too_long == "end"
            text = last.text[len(last.text) - characters :] if at_end else last.text[:characters]
            return self._tokens((*before, replace(last, text=text)))

        if len(kept(0)) > self.template.max_tokens:
            raise ValueError(
                f"a prompt has {len(kept(0))} tokens before its last turn, and max_tokens is {self.template.max_tokens}"
            )
        fits, fails = 0, len(last.text)
        while fails - fits > 1:
            middle = (fits + fails) // 2
            if len(kept(middle)) <= self.template.max_tokens:
                fits = middle
            else:
                fails = middle
        return kept(fits)
