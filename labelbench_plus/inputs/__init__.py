"""Forms in which inputs come: images in files, texts, pickles, YAML and JSON of strangers read within bounds."""
