"""Write the pages of the reference: one for each class and module of the public interface, and one for the commands.

    python scripts/reference.py FOLDER

The text is that of the docstrings, parsed by griffe, and of the commands' help; `scripts/build_site.py` calls this when
it builds the site. `tests/test_reference.py` checks that every public name and every command has its entry.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import griffe
import typer

import isthmus
from isthmus.cli import app
from isthmus.cli.help import panels_of
from isthmus.core.registry import Registry

# The pages of modules. Of a module without __all__ and without names here, what its own folder defines is public.
MODULES: Mapping[str, tuple[str, ...]] = {
    "isthmus": ("load", "open_source"),
    "isthmus.sparsity": (),
    "isthmus.corruption": (),
    "isthmus.callbacks": (),
    "isthmus.likelihoods": (),
    "isthmus.plots": (),
    "isthmus.metrics": (),
    "isthmus.datasets": (),
    "isthmus.sae_lens": (),
    "isthmus.onnx": (),
    "isthmus.torch": (),
    "isthmus.projector": (),
    "isthmus.ray": ("Encoder", "encode"),
    "isthmus.errors": (),
    "isthmus.data.sources": ("Source", "TextPath", "PatchSource", "to_patches", "from_patches", "SOURCES"),
    "isthmus.images.cleaning": ("clean_files", "Cleaning", "Cleaned"),
    "isthmus.images.files": ("read_picture", "write_picture"),
    "isthmus.images.noise_level": ("estimate_noise", "examine_noise", "NoiseEstimate"),
    "isthmus.images.tiles": ("in_tiles",),
    "isthmus.evaluation.code_report": ("CodeReport",),
    "isthmus.losses": (),
    "isthmus.networks": (),
    "isthmus.engine": (),
    "isthmus.data.scaling": ("SCALINGS",),
}
_HELPERS = {"resolve", "suggest", "unknown_name", "Function"}  # without an underscore, but for other modules
# A parameter's type that goes on in further lines, up to its default.
_WRAPPED = re.compile(r"(?m)^(\w+ : (?:(?!default=).)*)((?:\n {4}.*?)+?default=\S+)$")
_FOLDED_FROM = 12  # parameters; longer signatures are folded
_MAX_GUIDES = 4  # that are named under "See also"


class Page(NamedTuple):
    """A page of the reference: a file, a title, and the objects that it describes, by their full public names."""

    file: str
    title: str
    objects: dict[str, Any]


def public_names(module: ModuleType, public: str) -> tuple[str, ...]:
    """Return the public names of a module, which is known as `public`."""
    if chosen := MODULES.get(public, ()) or getattr(module, "__all__", ()):
        return tuple(chosen)
    folder = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]

    def belongs(name: str) -> bool:
        thing = getattr(module, name)
        own = isinstance(thing, Registry) or str(getattr(thing, "__module__", "")).startswith(folder)
        return own and (callable(thing) or isinstance(thing, Registry)) and thing is not Registry

    names = (name for name in sorted(dir(module)) if not name.startswith("_") and name not in _HELPERS)
    return tuple(name for name in names if belongs(name))


def pages() -> list[Page]:
    """Return the pages: the estimators, then the modules."""
    classes = [name for name in isthmus.__all__ if inspect.isclass(getattr(isthmus, name))]
    found = [Page(f"{name.lower()}.md", name, {f"isthmus.{name}": getattr(isthmus, name)}) for name in classes]
    for public in MODULES:
        module = importlib.import_module(public)
        things = {f"{public}.{name}": getattr(module, name) for name in public_names(module, public)}
        found.append(Page(f"{public.replace('.', '_')}.md", public, things))
    return found


class Reference:
    """The text of the pages, in which the names of described objects are links.

    Parameters
    ----------
    guides : mapping of str to str
        The pages of the documentation, text by name of file: those that use an object most are named with it.
    """

    def __init__(self, guides: Mapping[str, str] | None = None) -> None:
        self.guides = guides or {}  # the text of each guide, by the name of its file
        self.pages = pages()
        self.targets: dict[str, str] = {}
        for page in self.pages:
            for full in page.objects:
                for name in {full, full.rpartition(".")[2]}:
                    self.targets.setdefault(name, f"{page.file}#{full}")
            self.targets.setdefault(page.title, page.file)

    def write(self, folder: Path) -> list[str]:
        """Write all pages and the index into a folder, and return the names of the files."""
        folder.mkdir(parents=True, exist_ok=True)
        for page in self.pages:
            (folder / page.file).write_text(self.page(page), encoding="utf-8")
        (folder / "index.md").write_text(self.index(), encoding="utf-8")
        return ["index.md", *(page.file for page in self.pages)]

    def index(self) -> str:
        """Return the page that lists everything, with the first line of each docstring."""
        lines = ["# Reference", "", "Every public class and function, from its docstring.", ""]
        classes = [page for page in self.pages if page.title in isthmus.__all__]
        lines += ["## Classes", "", "| class | what it is |", "|---|---|"]
        for page in classes:
            lines.append(f"| [`{page.title}`]({page.file}) | {self.cell(page.objects[f'isthmus.{page.title}'])} |")
        for page in (page for page in self.pages if page not in classes):
            module = importlib.import_module(page.title)
            lines += ["", f"## {page.title}", "", self.linked(_first(module)), "", "| name | what it is |", "|---|---|"]
            for full, thing in page.objects.items():
                lines.append(f"| [`{full.rpartition('.')[2]}`]({page.file}#{full}) | {self.cell(thing)} |")
        return "\n".join(lines) + "\n"

    def cell(self, thing: Any) -> str:
        """Return the first line of a docstring as a cell of a table."""
        return self.linked(_first(thing)).replace("|", "\\|")

    def page(self, page: Page) -> str:
        """Return the text of one page."""
        lines = [f"# {page.title}", ""]
        if page.title not in isthmus.__all__:
            lines += [self.linked(_first(importlib.import_module(page.title))), ""]
        for full, thing in page.objects.items():
            heading = "##" if page.title not in isthmus.__all__ else None
            lines += [f"{heading} {full.rpartition('.')[2]} {{ #{full} }}" if heading else f'<a id="{full}"></a>', ""]
            lines += self.described(full, thing)
        return "\n".join(lines) + "\n"

    def described(self, full: str, thing: Any) -> Iterator[str]:
        """Yield the lines of an object: signature, docstring and, of a class, its methods."""
        if isinstance(thing, Mapping):
            yield from (_first(thing) + ".", "")
            return
        first, *rest = self.docstring(thing) if inspect.getdoc(thing) else [""]
        summary, _, more = first.partition("\n\n")
        yield from (summary, "")
        if callable(thing):
            yield from _signature(full, thing)
        yield from (more, *rest)
        if places := self.used_in(full.rpartition(".")[2]):
            yield from ("**See also**", "", places, "")
        if inspect.isclass(thing):
            yield from self.members(full, thing)

    def used_in(self, name: str) -> str:
        """Return links to the guides that use a name most, in the order of their use of it."""
        counts = {file: len(re.findall(rf"\b{re.escape(name)}\(", text)) for file, text in self.guides.items()}
        best = sorted((file for file in counts if counts[file]), key=lambda file: -counts[file])[:_MAX_GUIDES]
        titles = {file: self.guides[file].partition("\n")[0].removeprefix("# ") for file in best}
        return ", ".join(f"[{title}](../{file})" for file, title in titles.items())

    def members(self, full: str, cls: type) -> Iterator[str]:
        """Yield the lines of a class's public methods and properties, those of isthmus in full."""
        own, inherited = [], []
        is_estimator = full == f"isthmus.{cls.__name__}"
        if not is_estimator and any(base in page.objects.values() for page in self.pages for base in cls.__mro__[1:]):
            return  # such as one of the sparsity methods, which are used by their settings
        for name, member in inspect.getmembers(cls, lambda x: callable(x) or isinstance(x, property)):
            if name.startswith("_") or not (is_estimator or name in vars(cls)):
                continue
            home = str(getattr(getattr(member, "fget", member), "__module__", ""))
            (own if home.startswith("isthmus") else inherited).append((name, member))
        own = [(name, member) for name, member in own if inspect.getdoc(member)]
        if own and is_estimator:
            yield from ("## Methods and properties", "")
        for name, member in own:
            yield from (f"### {name} {{ #{full}.{name} }}", "")
            if not isinstance(member, property):
                yield from _signature(name, member, skip_self=not inspect.ismethod(member))
            yield from self.docstring(member)
        if inherited:
            names = ", ".join(f"`{name}`" for name, _ in inherited)
            yield from (f"Of scikit-learn and Python: {names}.", "")

    def docstring(self, thing: Any) -> Iterator[str]:
        """Yield the lines of a docstring, section by section."""
        text = inspect.getdoc(thing) or ""
        text = _WRAPPED.sub(lambda found: " ".join(found[0].split()), text)
        for section in griffe.Docstring(text, parser="numpy").parse(warnings=False):
            kind, value = section.kind.value, section.value
            if kind == "text":
                yield from (self.linked(value), "")
            elif kind == "examples":
                yield from ("**Examples**", "")
                for part, text in value:
                    yield from (text, "") if part.value == "text" else ("```pycon", text, "```", "")
            elif kind == "admonition":
                yield from (f"**{section.title}**", "", self.linked(value.description), "")
            else:
                yield from (f"**{kind.replace('_', ' ').capitalize()}**", "")
                yield from map(self._item, value)
                yield ""

    def _item(self, item: Any) -> str:
        name = getattr(item, "name", "")
        kind = _plain(item.annotation)
        default = getattr(item, "value", None)
        if default is not None and "default" not in kind:
            kind = f"{kind}, default `{default}`" if kind else f"default `{default}`"
        head = " ".join(part for part in (f"`{name}`" if name else "", f"*({kind})*" if kind else "") if part)
        text = " ".join(self.linked(item.description).split())
        return f"* {head}{':' if text else ''} {text}"

    def linked(self, text: str) -> str:
        """Return text in which names in backticks that have an entry are links to it."""

        def link(match: re.Match[str]) -> str:
            target = self.targets.get(match[1])
            return f"[`{match[1]}`]({target})" if target else match[0]

        return re.sub(r"(?<![`\[])`([A-Za-z_][\w.]*)`(?!`)", link, text)


def _plain(annotation: Any) -> str:
    return "" if annotation is None else str(annotation).replace("|", "or").strip()


def _first(thing: Any) -> str:
    if isinstance(thing, Mapping):
        return "A table with the names " + ", ".join(f"`{name}`" for name in thing)
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def _signature(name: str, thing: Any, *, skip_self: bool = False) -> Iterator[str]:
    try:
        parameters = list(inspect.signature(thing).parameters.values())[int(skip_self) :]
    except (TypeError, ValueError):
        return
    shown = list(_arguments(parameters))
    line = f"{name}({', '.join(shown)})"
    if len(line) > 100:
        line = f"{name}(\n" + "".join(f"    {one},\n" for one in shown) + ")"
    block = ("```python", *line.split("\n"), "```", "")
    if len(shown) <= _FOLDED_FROM:
        yield from block
    else:
        yield from (f'??? abstract "The signature, of {len(shown)} parameters"', "", *(f"    {part}" for part in block))


def _arguments(parameters: Iterable[inspect.Parameter]) -> Iterator[str]:
    starred = False
    for one in parameters:
        if one.kind is one.VAR_POSITIONAL:
            starred = True
        elif one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield str(one.replace(annotation=one.empty))


def commands() -> dict[str, Any]:
    """Return the commands of the command line by name, in the order of ``--help``."""
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def command_page() -> str:
    """Return the page of the command line: every command with its arguments and options."""
    lines = ["# Command line", "", "What `isthmus COMMAND --help` prints, for every command.", ""]
    lines += ["| command | what it does |", "|---|---|"]
    table = commands()
    lines += [f"| [`isthmus {name}`](#{name}) | {command.get_short_help_str(200)} |" for name, command in table.items()]
    for name, command in table.items():
        lines += ["", f"## isthmus {name} {{ #{name} }}", ""]
        lines += [" ".join(part.split()) + "\n" for part in inspect.cleandoc(command.help or "").split("\n\n")]
        context = typer.Context(command, info_name=f"isthmus {name}")
        pieces = " ".join(command.collect_usage_pieces(context))
        lines += ["```text", f"isthmus {name} {pieces}", "```", ""]
        for panel, rows in panels_of(command, context).items():
            lines += [f"| {panel} | what it does |", "|---|---|"]
            lines += [f"| `{form}` | {_cell(text)} |" for form, text in rows]
            lines.append("")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    Reference().write(target / "api")
    (target / "cli.md").write_text(command_page(), encoding="utf-8")
