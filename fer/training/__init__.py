"""Training: recipes, targets, batches and the fit."""
