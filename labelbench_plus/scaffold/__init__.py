"""Beginnings of plugins: a file to try out, a file in the tree, or a package of one's own."""
