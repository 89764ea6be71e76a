"""Facial expression recognition: FER2013, Keras, faces found and read in any photo."""

__version__ = "0.1.0"
