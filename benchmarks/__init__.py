"""What is compared: suites of runs (`suites/`), and the speed of the primitives (`speed/`)."""
