"""Live language models that answer together: engines for every weighting of their policies, adapters, tokenizers."""
