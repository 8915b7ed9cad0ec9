"""Mirrors of runs elsewhere. The run's own files are the record; a mirror is rebuilt from them and may fail freely."""
