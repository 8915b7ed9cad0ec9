"""The publications that pools of pairs and the strategies on them come from."""

from __future__ import annotations

from labelbench_plus.reference import Reference

DATACOMP = Reference(("Gadre", "others"), 2023, arxiv="2304.14108")
NEG_CLIP_LOSS = Reference(("Wang", "others"), 2024, venue="NeurIPS", arxiv="2405.19547")
VAS = Reference(("Wang", "others"), 2024, arxiv="2402.02055")
