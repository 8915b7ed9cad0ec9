"""What decoding for many objectives shares: worlds whose truth is known, what learns in them, and weightings."""
