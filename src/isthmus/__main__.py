"""The program ``isthmus``, which is ``python -m isthmus`` too."""

import sys


def main() -> None:
    """Run the command line and exit; Ctrl-C is one line while its modules are imported too."""
    try:
        from isthmus.cli import main as run

        run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("isthmus: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
