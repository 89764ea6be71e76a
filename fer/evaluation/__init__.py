"""Evaluation of a trained network: metrics, calibration, comparison, plots."""
