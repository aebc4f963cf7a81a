"""Sampling, loading, devices, PCA, optimizers, the training loop, checkpoints and inference."""
