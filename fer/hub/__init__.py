"""The Hugging Face Hub: models by name and revision, and its refusals in one sentence."""
