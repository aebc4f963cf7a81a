"""Draw the pictures of the gallery that ``isthmus plot`` makes, on scikit-learn's digits.

    python scripts/gallery.py                     # into docs/assets
    python scripts/gallery.py -o figures --epochs 2

The other pictures of the documentation are made by ``isthmus demo``, by examples and by benchmarks.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from sklearn.datasets import load_digits

ROOT = Path(__file__).parent.parent
DATA = "digits.csv"
# What each model is fitted with.
MODELS = {
    "digits": (),
    "eight": ("--components", "8"),
    "topk": ("--components", "64", "--hidden", "", "--sparsity", "topk", "--k", "4"),
    "kl": ("--components", "32", "--hidden", "", "--sparsity", "kl"),
}
_IMAGE = ("--image-shape", "8,8")
# A model and further options for each kind of figure.
PLOTS = {
    "history": ("digits", ()),
    "code_histograms": ("eight", ()),
    "correlations": ("eight", ()),
    "error_maps": ("eight", _IMAGE),
    "density": ("topk", ()),
    "top_rows": ("topk", ("--number", "8", *_IMAGE)),
    "activation_against_target": ("kl", ()),
}


def isthmus(folder: Path, *arguments: str) -> None:
    """Run a command in a folder."""
    subprocess.run([sys.executable, "-m", "isthmus", *arguments], cwd=folder, check=True)


def draw(target: Path, kinds: list[str], *fit_options: str) -> None:
    """Fit the models that some kinds of figures need, and draw these figures into a folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        X, y = load_digits(return_X_y=True, as_frame=True)
        X.assign(digit=y).to_csv(folder / DATA, index=False)
        for model in dict.fromkeys(PLOTS[kind][0] for kind in kinds):
            output = ("-o", f"{model}.safetensors", "--drop", "digit", "--seed", "0", "--quiet")
            isthmus(folder, "fit", DATA, *output, *MODELS[model], *fit_options)
        for kind in kinds:
            model, options = PLOTS[kind]
            file = str((target / f"{kind}.png").resolve())
            isthmus(
                folder, "plot", f"{model}.safetensors", DATA, kind, "-o", file, "--drop", "digit", "--force", *options
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "assets", help="folder of the pictures")
    parser.add_argument("--kinds", nargs="+", choices=PLOTS, default=list(PLOTS), help="figures to draw")
    parser.add_argument("--epochs", help="fewer epochs, for a trial")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    draw(given.output, given.kinds, *(("--epochs", given.epochs) if given.epochs else ()))
