"""The command line: `main` is the program."""


def main(program="fer"):
    """Run the command that stands in `sys.argv`, and return its exit code.

    This is the entry point of the console script `fer`; it imports nothing before it is called.

    Args:
        program: how the program was started, for its messages.
    """
    from fer.cli import commands
    from fer.cli.console import own_terminal

    with own_terminal():
        return commands.main()
