"""Reading, scaling, splitting and writing rows, and example data sets."""
