"""One module a primitive, each with a `CASE`; a new file here is all that a new entry takes."""
