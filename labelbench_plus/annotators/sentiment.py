"""An expert who likes friendly words."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass

from labelbench_plus.annotators import Asked, Scorer, annotators
from labelbench_plus.models.weights import library
from labelbench_plus.reference import Reference


@annotators.register("sentiment")
@dataclass(frozen=True)
class Sentiment(Scorer):
    """VADER's compound sentiment of a response, from -1 to 1. The same text has the same score everywhere.

    It stands in for an expert and costs nothing but the budget. Needs the extra `sentiment`.
    """

    title = "Sentiment (VADER), in place of an expert"
    reference = Reference(
        ("Hutto", "Gilbert"),
        2014,
        "VADER: a parsimonious rule-based model for sentiment analysis of social media text",
        venue="ICWSM",
    )

    def scores(self, questions: Sequence[Asked]) -> list[float]:
        library("vaderSentiment", "sentiment")
        analyser = importlib.import_module("vaderSentiment.vaderSentiment").SentimentIntensityAnalyzer()
        return [analyser.polarity_scores(each.responses[0])["compound"] for each in questions]

    def fingerprint(self) -> str:
        library("vaderSentiment", "sentiment")
        return importlib.metadata.version("vaderSentiment")
