"""Whole pictures: files to arrays and back, tiles without seams, the noise in a picture."""
