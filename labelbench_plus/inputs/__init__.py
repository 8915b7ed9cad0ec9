"""Forms in which inputs come: images in files, texts, pickles read without running them."""
