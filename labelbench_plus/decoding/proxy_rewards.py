"""Rewards of a text that a rule gives: cheap, repeatable, and proxies of what their names say at best."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from labelbench_plus.models.weights import library


def positive(texts: Sequence[str]) -> np.ndarray:
    """(n,) VADER's compound sentiment, −1 to 1 (Hutto and Gilbert, 2014). Needs the package vaderSentiment."""
    analyser = library("vaderSentiment.vaderSentiment", "sentiment").SentimentIntensityAnalyzer()
    return np.array([analyser.polarity_scores(text)["compound"] for text in texts])


def plain(texts: Sequence[str]) -> np.ndarray:
    """(n,) minus the mean number of letters in a word; 0 of a text without words."""
    lengths = [[len(word) for word in re.findall(r"[A-Za-z]+", text)] for text in texts]
    return np.array([-float(np.mean(each)) if each else 0.0 for each in lengths])


def asking(texts: Sequence[str]) -> np.ndarray:
    """(n,) the share of marks that end a sentence that are question marks; 0 of a text without any."""
    marks = [re.findall(r"[.!?]", text) for text in texts]
    return np.array([each.count("?") / len(each) if each else 0.0 for each in marks])


PROXY_REWARDS: Mapping[str, Callable[[Sequence[str]], np.ndarray]] = {
    "positive": positive,
    "plain": plain,
    "asking": asking,
}
