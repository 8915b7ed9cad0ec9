"""Annotators that judge: what they can be asked for, and what stands in for experts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from labelbench_plus.annotators import Asked, Scorer, annotators
from labelbench_plus.answers import PREFERENCE, SCORE, TEXT
from labelbench_plus.contracts.annotators import check_asked


def scored(annotator, response, reference=None):
    return annotator.ask([Asked("a prompt", reference, (response,))], None)[0]


def test_what_is_asked_for():
    assert [Asked("p", None, said).wants for said in ((), ("a",), ("a", "b"))] == ["answer", "score", "pair"]
    with pytest.raises(ValueError, match="got 3"):
        Asked("p", None, ("a", "b", "c"))


def test_who_can_be_asked_for_what():
    stored, rule = annotators.build("stored"), annotators.build("rule")
    assert check_asked(stored, "answer") is TEXT
    assert check_asked(rule, "score") is SCORE and check_asked(rule, "pair") is PREFERENCE
    with pytest.raises(ValueError, match=r"'stored' cannot be asked for the better of two.*an answer to a prompt"):
        check_asked(stored, "pair")
    with pytest.raises(ValueError, match="the score of a response and the better of two responses"):
        check_asked(rule, "answer")


class Length(Scorer):
    """The longer the better; asked in any order, and for both at once."""

    def scores(self, questions):
        return [len(each.responses[0]) for each in questions]


def test_preferences_are_scores_compared_and_equals_are_a_tie():
    questions = [Asked("p", None, said) for said in (("ab", "a"), ("x",), ("a", "abc"), ("no", "me"))]
    assert Length().ask(questions, None) == [-1, 1.0, 1, 0]


@pytest.mark.parametrize(
    ("response", "reference", "right"),
    [("The Paris!", "paris", True), ("forty-two", "42", True), ("London", "Paris", False)],
)
def test_a_rule_compares_with_the_data(response, reference, right):
    assert scored(annotators.build("rule"), response, reference) == right


@pytest.mark.parametrize(
    ("response", "right"), [("so it is 1,200.", 1), ("it was 3, so 1200.0", 1), ("1200 or 3", 0), ("none", 0)]
)
def test_the_last_number_counts(response, right):
    assert scored(annotators.build({"name": "rule", "rule": "number"}), response, "we get 1200") == right


def test_words_are_liked_by_their_share():
    rule = annotators.build({"name": "rule", "rule": "words", "likes": ["good", "Lovely"], "dislikes": ["bad"]})
    assert scored(rule, "Good, good food") == pytest.approx(2 / 3)
    assert scored(rule, "good food " * 9) == scored(rule, "good food")  # length buys nothing
    assert scored(rule, "bad") == -1 and scored(rule, "") == 0 and scored(rule, "goodness") == 0


def test_brevity_is_liked():
    rule = annotators.build({"name": "rule", "rule": "brief"})
    assert rule.ask([Asked("p", None, said) for said in (("abc",), ("abc", "a"), ("x", "y"))], None) == [-3, 1, 0]


def test_rules_that_say_nothing_are_refused():
    with pytest.raises(ValidationError, match="needs one of them"):
        annotators.build({"name": "rule", "rule": "words"})
    with pytest.raises(ValidationError, match="go with 'words'"):
        annotators.build({"name": "rule", "likes": ["good"]})
    with pytest.raises(ValueError, match="they say nothing here"):
        scored(annotators.build("rule"), "Paris")


def test_sentiment_is_vaders():
    pytest.importorskip("vaderSentiment")
    expert = annotators.build("sentiment")
    kind, cross = (scored(expert, text) for text in ("What a lovely garden!", "It was awful and sad."))
    assert -1 <= cross < 0 < kind <= 1
    assert expert.ask([Asked("p", None, ("It was awful.", "It was lovely."))], None) == [1]
    assert expert.fingerprint()


def test_a_reward_model_judges_prompt_and_response(tmp_path):
    """Its score is the logit of the pair, as transformers computes it."""
    import torch
    import transformers

    from labelbench_plus.models.tiny_llama import byte_tokenizer

    tokenizer = byte_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_labels=1,
            pad_token_id=tokenizer.eos_token_id,
        )
        model = transformers.LlamaForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    expert = annotators.build({"name": "reward_model", "model": "mine", "folder": str(tmp_path)})
    found = expert.ask([Asked("hello", None, (text,)) for text in ("you", "me and you")], None)
    read = tokenizer("hello", "you", return_tensors="pt")
    assert found[0] == pytest.approx(float(model(**read).logits[0, 0].detach()), abs=1e-5)
    assert found[0] != found[1] and expert.fingerprint()
