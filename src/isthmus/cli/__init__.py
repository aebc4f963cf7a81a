"""The command line: parse, call the library, print.

Results go to stdout and everything else to stderr. Exit codes: 0, 1 (it failed), 2 (asked wrongly), 130 (Ctrl-C) and
141 (whoever read stdout went away). Commands import the library when they run, so that ``isthmus --help`` is quick.
"""

from isthmus.cli import cache, convert, demo, denoise, fit, impute, inspect
from isthmus.cli.app import app, main, register

__all__ = ["app", "main"]

# In the order that --help lists them.
COMMANDS = (
    demo.demo,
    fit.fit,
    convert.encode,
    convert.decode,
    convert.reconstruct,
    inspect.score,
    inspect.inspect,
    denoise.denoise,
    impute.impute,
    cache.cache,
)
for _command in COMMANDS:
    register(_command)
