"""Train a network on FER2013 and write its model folder; `fer.cli.train` has the steps: plan, train, write, publish.

    python train.py --data fer2013.zip --output runs/first --mixed-precision

trains a network with the architecture of the bundled one. docs/training.md explains the options; docs/results.md has
the runs that trained the bundled network, with their times and accuracies.
"""

from fer.cli.console import exit_on_user_error, own_terminal
from fer.cli.train import main

if __name__ == "__main__":
    with own_terminal(), exit_on_user_error("python train.py"):
        main()
