"""Exports of a model to LiteRT and ONNX files."""
