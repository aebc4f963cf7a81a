"""What every part may use: errors, types, random streams, parameters, processes, files and persistence."""
