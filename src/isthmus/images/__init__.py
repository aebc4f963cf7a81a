"""Picture files, tiling, noise estimation and denoising."""
