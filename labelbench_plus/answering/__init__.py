"""What annotators share that are paid: answers kept for ever, claims on questions, limits on money."""
