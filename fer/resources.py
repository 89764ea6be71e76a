"""Files at the top of the repository that the package needs, and the command that installs an extra of the package."""

from pathlib import Path

PACKAGE = Path(__file__).parent
"""Folder of the package."""
FILES = PACKAGE / "files"
"""Folder of these files in an installed package, into which `pyproject.toml` copies them; a checkout has none."""


def find_resource(name: str) -> Path:
    """Return the path of one of these files or folders, in an installed package or in a checkout.

    Args:
        name: path relative to the top of the repository, such as `model_card.md`.
    """
    return (FILES if FILES.is_dir() else PACKAGE.parent) / name


def install_command(extra: str) -> str:
    """Return the command that installs the package with an extra.

    Args:
        extra: name of the extra, such as `train`.
    """
    return f'pip install "{"facial-expression-recognition" if FILES.is_dir() else "."}[{extra}]"'
