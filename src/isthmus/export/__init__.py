"""Export to the file formats and engines of other projects."""
