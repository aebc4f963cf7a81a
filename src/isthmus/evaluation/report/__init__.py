"""The report on a fitted model as one HTML page: facts in, text out; a table of sections, one file for each."""
