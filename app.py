"""Serve the app, here and on a Space: `python app.py` is the same as `python -m fer app`, see `fer.cli.app`."""

from fer.cli.app import main

if __name__ == "__main__":
    main("python app.py")
