"""Serve the app: `python app.py` does what `python -m fer app` does, see `fer.cli.app`."""

from fer.cli.app import main

try:
    # Part of every Space, and of nothing else. ZeroGPU Spaces end an app that has no function for their GPU.
    import spaces
except ImportError:
    pass
else:

    @spaces.GPU
    def use_no_gpu():
        """Never called: the networks are small enough for the processor."""


if __name__ == "__main__":
    main("python app.py")
