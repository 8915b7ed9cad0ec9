"""From a data set to what everything else reads: hashes, encoded features, the cache that keeps them."""
