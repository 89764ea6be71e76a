"""Publishing on the Hugging Face Hub: push a model folder with its card, and deploy a Space."""
