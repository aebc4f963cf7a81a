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
        """Write arguments, and options by panel where there are many."""
        arguments: list[tuple[str, str]] = []
        panels: dict[str, list[tuple[str, str]]] = {"": [], **{panel: [] for panel in PANELS}}
        params = self.get_params(ctx)
        divided = len(params) > _MANY
        for param in params:
            record = param.get_help_record(ctx)
            if record is None:
                continue
            if param.param_type_name == "argument":
                arguments.append((record[0].split()[0], record[1].replace("  [required]", "")))
            else:
                panel = getattr(param, "rich_help_panel", None) or ""
                panels[panel if divided and panel in PANELS else ""].append(record)
        for title, records in (
            ("Arguments", arguments),
            *((PANELS.get(name, "Options"), panels[name]) for name in panels),
        ):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
