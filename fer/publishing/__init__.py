"""Publishing: push a model folder with its card, deploy a Space."""
