"""The command line: parse arguments, call the library, print results.

Results go to stdout, messages to stderr. Exit codes: 0, 1 (failure), 2 (invalid arguments or data), 130 (Ctrl-C) and
141 (the reader of stdout closed it). Commands import the library when they run, so that ``isthmus --help`` is fast.
"""

from isthmus.cli import (
    cache,
    compare,
    convert,
    demo,
    denoise,
    explore,
    export,
    fit,
    impute,
    inspect,
    outliers,
    plot,
    report,
)
from isthmus.cli.app import app, main, register

__all__ = ["app", "main"]

# In the order of --help.
_TRAINING = (demo.demo, fit.fit)
_USE = (convert.encode, convert.decode, convert.reconstruct, inspect.score, inspect.inspect)
_TABLES = (denoise.denoise, impute.impute, outliers.outliers, compare.compare)
_SHOWING = (report.report, plot.plot, explore.explore)
for _command in (*_TRAINING, *_USE, *_TABLES, *_SHOWING, export.export, cache.cache):
    register(_command)
