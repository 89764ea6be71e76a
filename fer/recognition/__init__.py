"""Answers: a photo or clip in, faces with their probabilities out."""
