"""Data sets to train and to measure with."""
