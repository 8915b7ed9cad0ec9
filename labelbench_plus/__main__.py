"""`python -m labelbench_plus` is `lbp`."""

from labelbench_plus.cli import main

if __name__ == "__main__":
    main()
