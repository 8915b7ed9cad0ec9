"""Where runs live on disk: one folder a run, committed round by round, readable at any instant."""
