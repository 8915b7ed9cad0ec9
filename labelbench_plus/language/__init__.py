"""What problems, trainers and annotators of language share: one base a process, templates, scoring, generation."""
