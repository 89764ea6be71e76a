"""Print the size in bytes of installed distributions and all of their dependencies, without pip.

    python benchmarks/install_size.py REQUIREMENT…

Run it with the interpreter of the virtual environment to be measured.
"""

import sys
from importlib.metadata import distribution

from packaging.requirements import Requirement


def closure(requirements):
    """Return the names of the installed distributions that meet requirements, and of all of their dependencies."""
    names, waiting = set(), [(Requirement(text), "") for text in requirements]
    seen = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        found = distribution(requirement.name)
        names.add(found.name)
        for extra in ("", *requirement.extras):
            if (found.name, extra) not in seen:
                seen.add((found.name, extra))
                waiting += [(Requirement(text), extra) for text in found.requires or ()]
    return names


def size(name):
    """Return the size of the files of a distribution in bytes."""
    paths = {file.locate().resolve() for file in distribution(name).files or ()}
    return sum(path.stat().st_size for path in paths if path.is_file())


if __name__ == "__main__":
    print(sum(size(name) for name in closure(sys.argv[1:])))
