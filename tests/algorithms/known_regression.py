"""Twenty-four points with labels, four of them bought, and what plain code of its own makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import torch

KNOWN = json.loads((Path(__file__).parent / "known_regression.json").read_text())
X = torch.tensor(KNOWN["X"], dtype=torch.float64)
Y = torch.tensor(KNOWN["y"], dtype=torch.float64)
LABELLED = torch.tensor(KNOWN["labelled"])
FREE = torch.tensor([row for row in range(len(X)) if row not in KNOWN["labelled"]])
WITH_CONSTANT = torch.cat([X, torch.ones(len(X), 1, dtype=torch.float64)], dim=1)
