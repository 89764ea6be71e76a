"""Train a network on FER2013 and write its model folder: `fer.cli.train` reads as plan -> fit -> measure -> publish.

    python train.py --data fer2013.zip --output runs/first --mixed-precision

trains a network of the bundled one's kind; the README has the bundled one's commands, wall time and score.
"""

from fer.cli.console import exit_on_user_error, own_terminal
from fer.cli.train import main

if __name__ == "__main__":
    with own_terminal(), exit_on_user_error("python train.py"):
        main()
