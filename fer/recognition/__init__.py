"""Recognition: find the faces in a photo or a clip, and estimate the probabilities of their expressions."""
