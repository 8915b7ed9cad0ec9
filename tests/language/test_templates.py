"""Conversations as tokens."""

from __future__ import annotations

import pytest

from labelbench_plus.inputs.conversations import Turn
from labelbench_plus.language.templates import CHATML, Format, Template
from labelbench_plus.models.tiny_llama import byte_tokenizer

TALK = (Turn("user", "Hi"), Turn("assistant", "Hello"), Turn("user", "Why?"))
OWN = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def formed(**fields):
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = OWN
    return Format(Template(**fields), tokenizer)


def read(form, ids):
    return form.tokenizer.decode(ids)


def test_each_template_says_what_it_puts_around():
    assert read(formed(chat="plain"), formed(chat="plain").prompt("Why?")) == "Question: Why?\nAnswer:"
    assert read(formed(chat="none"), formed(chat="none").prompt("Why?")) == "Why?"
    assert read(formed(chat="own"), formed(chat="own").prompt(TALK)) == (
        "[user]Hi</s>[assistant]Hello</s>[user]Why?</s>[assistant]"
    )
    assert read(formed(chat="plain"), formed(chat="plain").prompt(TALK)) == (
        "Question: Hi\nAnswer: Hello\nQuestion: Why?\nAnswer:"
    )


def test_braces_in_a_prompt_are_what_they_are():
    form = formed(chat="plain")
    assert read(form, form.prompt("{} {x}")) == "Question: {} {x}\nAnswer:"


def test_a_system_turn_is_put_before_prompts_that_have_none():
    form = formed(chat="own", system="Be short.")
    assert read(form, form.prompt("Hi")) == "[system]Be short.</s>[user]Hi</s>[assistant]"
    mine = (Turn("system", "Be long."), Turn("user", "Hi"))
    assert read(form, form.prompt(mine)) == "[system]Be long.</s>[user]Hi</s>[assistant]"


@pytest.mark.parametrize("chat", ["own", "plain", "none"])
def test_an_answer_survives_its_tokens_and_ends(chat):
    form = formed(chat=chat)
    for text in ("four", " é\n", "", "a  b"):
        ids = form.answer(text)
        assert ids[-1] == form.end == form.tokenizer.eos_token_id
        assert form.text(ids) == text


def test_prompts_that_are_too_long_are_refused_or_cut_as_said():
    with pytest.raises(ValueError, match="26 tokens, and max_tokens is 20"):
        formed(chat="plain", max_tokens=20).prompt("abcdefgh")
    start, end = (formed(chat="plain", max_tokens=21, too_long=keep) for keep in ("start", "end"))
    assert read(start, start.prompt("abcdefgh")) == "Question: abc\nAnswer:"
    assert read(end, end.prompt("abcdefgh")) == "Question: fgh\nAnswer:"
    with pytest.raises(ValueError, match="before its last turn"):
        formed(chat="plain", max_tokens=5, too_long="end").prompt("abcdefgh")


def test_the_opening_precedes_what_a_user_says():
    for chat, expected in {"own": "[user]", "plain": "Question:", "none": ""}.items():
        form = formed(chat=chat)
        assert read(form, form.opening()) == expected


def test_what_is_no_prompt_is_refused():
    with pytest.raises(ValueError, match="must end with the user's turn"):
        formed(chat="none").prompt((Turn("assistant", "Hello"),))
    with pytest.raises(ValueError, match="empty"):
        formed(chat="none").prompt("")
    with pytest.raises(ValueError, match="unknown role"):
        Turn("robot", "Hi")


def test_a_template_that_the_tokenizer_cannot_serve_is_refused():
    with pytest.raises(ValueError, match="no chat template of its own"):
        Format(Template(chat="own"), byte_tokenizer())
    with pytest.raises(ValueError, match="does not know"):
        formed(chat="chatml")
    assert "system" in CHATML
