"""Command line: `python -m fer COMMAND`."""

import sys

from fer.cli import main

if __name__ == "__main__":
    sys.exit(main("python -m fer"))
