"""Models that are fitted: regressions, label propagation, contrastive and shared representations."""
