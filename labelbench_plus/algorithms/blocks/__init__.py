"""What the primitives are built of: distances, similarities, neighbours, lazy greedy steps, checks of arguments."""
