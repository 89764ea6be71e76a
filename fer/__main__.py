"""The command line: `python -m fer COMMAND`."""

import sys

from fer.cli.commands import main
from fer.cli.console import own_terminal

if __name__ == "__main__":
    with own_terminal():
        sys.exit(main())
