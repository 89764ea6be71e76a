"""Serve the app: `python app.py` is the same as `python -m fer app`, see `fer.cli.app`."""

from fer.cli.app import main

try:
    # Installed only on Spaces. A ZeroGPU Space stops an app that has no function for its GPU.
    import spaces
except ImportError:
    pass
else:

    @spaces.GPU
    def use_no_gpu():
        """Do nothing; never called, because the networks are small enough for the CPU."""


if __name__ == "__main__":
    main("python app.py")
