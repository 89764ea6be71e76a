"""The Hugging Face Hub: models by name and revision, and its errors in one sentence each."""
