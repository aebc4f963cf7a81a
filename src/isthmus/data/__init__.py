"""Where rows come from and go to: sources, scaling, splitting, columns, tables, sinks and data sets."""
