"""Files that stand at the top of the repository and that the package needs."""

from pathlib import Path

PACKAGE = Path(__file__).parent
"""Folder of the package."""
FILES = PACKAGE / "files"
"""Folder of these files in an installed package, where `pyproject.toml` has them put; a checkout has none."""


def find_resource(name: str) -> Path:
    """Return the path of such a file or folder, in an installed package as in a checkout.

    Args:
        name: path below the top of the repository, such as `model_card.md`.
    """
    return (FILES if FILES.is_dir() else PACKAGE.parent) / name


def install_command(extra: str) -> str:
    """Return the command that installs what an extra of the package needs."""
    return f'pip install "{"facial-expression-recognition" if FILES.is_dir() else "."}[{extra}]"'
