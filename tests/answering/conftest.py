import pytest

from labelbench_plus.annotators import Desk, annotators
from labelbench_plus.contracts.annotators import Purse

from .loopback import Loopback

RUBRICS = {
    "score": "Say how good the response is.\n---\nPrompt: {prompt}\nResponse:\n{response}",
    "pair": "Say which is better.\n---\n{prompt}\n{a}\n{b}",
    "answer": "{prompt}",
}


@pytest.fixture
def loopback():
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def judge(tmp_path, loopback):
    """An `http_judge` on loopback; a token costs one millionth, so that money is counted in tokens."""

    def build(label="score", **changes):
        rubric = tmp_path / f"{label}.txt"
        rubric.write_text(RUBRICS[label])
        said = {"url": loopback.url, "model": "m", "rubric": str(rubric), "label": label, "max_tokens": 8}
        given = {"price_in": 1.0, "price_out": 1.0, "pause": 0.01, "timeout": 5.0, "max_money": 1.0}
        return annotators.build({"name": "http_judge", **said, **given, **changes})

    return build


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "answers", Purse("command", 1.0))
