"""`train.py` with a small `se_resnet`, for tests that start it in a subprocess."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import train  # noqa: E402
from fer.cli.console import exit_on_user_error, own_terminal  # noqa: E402

if __name__ == "__main__":
    with own_terminal(), exit_on_user_error("python train.py"):
        from fer.models.networks import NETWORKS, se_resnet

        build = partial(se_resnet, stem=8, widths=(8,), depth=1)
        NETWORKS["se_resnet"] = replace(NETWORKS["se_resnet"], build=build)
        train.main()
