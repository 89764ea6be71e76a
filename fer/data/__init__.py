"""Data sets to train on and to evaluate on."""
