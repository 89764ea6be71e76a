"""Network architectures, and the model folder that holds a trained network."""
