"""Models that others have trained: what encoders freeze and networks go on training, loaded in one way for both."""
