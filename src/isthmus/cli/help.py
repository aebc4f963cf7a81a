"""The help of a command: many options are listed in panels. Plain text, since rich would double the time it takes."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

WIDEST = 120  # columns; longer lines are harder to read
_MANY = 30  # options, from which on they are divided
# The panels in their order, with their headings; options without one come first.
PANELS = {
    "data": "Data",
    "model": "Model",
    "sparsity": "Sparsity",
    "corruption": "Corruption",
    "map": "Maps, with --map",
    "variational": "Variational autoencoders, with --variational",
    "codebook": "Vector-quantised codes, with --code vq",
    "outliers": "What is an outlier",
    "training": "Training",
    "output": "Output",
}


class Command(TyperCommand):
    """A command whose help has panels and names arguments as a shell's manual does."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the pieces of the usage line, arguments by their names."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options under their headings."""
        for heading, records in panels_of(self, ctx).items():
            with formatter.section(heading):
                formatter.write_dl(records)


def panels_of(command: Any, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """Return the names and the help of a command's arguments and options by heading: by panel where there are many."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in ("Arguments", "Options", *PANELS.values())}
    params = command.get_params(ctx)
    for param in params:
        record = param.get_help_record(ctx)
        if record is None:
            continue
        if param.param_type_name == "argument":
            found["Arguments"].append((record[0].split()[0], record[1].replace("  [required]", "")))
        else:
            panel = getattr(param, "rich_help_panel", None) if len(params) > _MANY else None
            found[PANELS.get(panel or "", "Options")].append(record)
    return {heading: records for heading, records in found.items() if records}
