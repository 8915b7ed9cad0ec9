"""How fast the primitives are, beside the textbook loop and public packages, on the same input in the same process."""
