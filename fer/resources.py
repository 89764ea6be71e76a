"""Files at the top of the repository that the package needs when it runs."""

from pathlib import Path

PACKAGE = Path(__file__).parent
"""Folder of the package."""
FILES = PACKAGE / "files"
"""Folder of these files in an installed package (`force-include` in `pyproject.toml`); a checkout does not have it."""


def find_resource(name: str) -> Path:
    """Return the path of such a file or folder, both in an installed package and in a checkout.

    Args:
        name: path relative to the top of the repository, such as `model_card.md`.
    """
    return (FILES if FILES.is_dir() else PACKAGE.parent) / name


def install_command(extra: str) -> str:
    """Return the command that installs the dependencies of an extra, such as `train`."""
    return f'pip install "{"facial-expression-recognition" if FILES.is_dir() else "."}[{extra}]"'
