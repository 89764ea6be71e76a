"""Model folders as LiteRT and ONNX files."""
