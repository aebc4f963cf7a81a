"""Seven-segment digits whose bars shine more or less brightly, and seven code units that are to become the bars.

    python examples/led_digits.py

No label is used, and nobody says that there are bars. Seven non-negative units can rebuild the pictures in many ways,
and a sparsity that asks for few active units finds bundles of bars that often shine together before it finds the bars.
What singles the bars out is that light only adds: weights that cannot be negative (Lee and Seung, Nature 401, 1999), of
which an L2 penalty keeps no more than is needed. Such a network is written in a dozen lines below.
"""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from isthmus.datasets import load_seven_segment

from isthmus import Autoencoder, SparseAutoencoder, plots
from isthmus.sparsity import L1, BatchTopK, Lifetime


class Adding(eqx.Module):
    """A matrix of which only the sizes count, not the signs."""

    weight: jax.Array

    def __call__(self, x):
        """Return its product with a row or a code."""
        return jnp.abs(self.weight) @ x


def only_adding(n_features, n_components, key):
    weight = 0.03 * jnp.abs(jax.random.normal(key, (n_components, n_features)))
    return Adding(weight), Adding(weight.T)


# Of brightness in [0, 1], without a mean taken off: black is nothing.
SAME = {"scaling": None, "output_activation": "identity", "early_stopping": False}
PLAIN = {**SAME, "pre_bias": False, "bias_start": "zeros", "learning_rate": 3e-3}
# Of each the best settings, or nearly, of a dozen rates, targets, weights and penalties.
METHODS = {
    "relu code alone": lambda: SparseAutoencoder(7, sparsity=L1(weight=0), **PLAIN),
    "L1": lambda: SparseAutoencoder(7, sparsity=L1(weight=0.1), l2_penalty=1e-2, **PLAIN),
    "lifetime": lambda: SparseAutoencoder(
        7, sparsity=Lifetime(0.7), transposed_start=True, unit_norm_decoder=True, **PLAIN
    ),
    "batch top-k": lambda: SparseAutoencoder(
        7, sparsity=BatchTopK(k=5, k_start=7, anneal=0.8), loss_reduction="sum", l2_penalty=0.03, **PLAIN
    ),
    "weights that only add": lambda: Autoencoder(
        7, network=only_adding, code_activation="relu", l2_penalty=1e-4, learning_rate=1e-2, **SAME
    ),
}


def cosines(atoms, bars):
    """Return the cosine of each atom with each bar."""
    lengths = np.maximum(np.linalg.norm(atoms, axis=1, keepdims=True), 1e-12)
    return (atoms / lengths) @ (bars / np.linalg.norm(bars, axis=1, keepdims=True)).T


def main(folder: str = "runs/led_digits", n_samples: int = 1000, max_epochs: int = 150, n_seeds: int = 5) -> None:
    digits = load_seven_segment(kind="pictures", n_samples=n_samples, random_state=0)
    bars = digits.bar_images.reshape(7, -1)

    print(f"bars of 7 that a unit has become (cosine at least 0.9), and the worst bar's cosine, in {n_seeds} seeds")
    for name, make in METHODS.items():
        models = [make().set_params(max_epochs=max_epochs, random_state=i).fit(digits.data) for i in range(n_seeds)]
        best = np.array([cosines(model.components_, bars).max(axis=0) for model in models])
        found, worst = (best >= 0.9).sum(axis=1), best.min(axis=1)
        print(f"{name}: {' '.join(map(str, found))}; {' '.join(f'{each:.3f}' for each in worst)}")

    # The model with weights that only add came last; the first seed's is drawn, its units in the order of the bars.
    model = models[0]
    units = cosines(model.components_, bars).argmax(axis=0)
    atoms = model.components_[units]
    unseen = load_seven_segment(kind="pictures", n_samples=200, random_state=1)
    codes = model.transform(unseen.data)[:, units]
    agree = [np.corrcoef(codes[:, j], unseen.bars[:, j])[0, 1] for j in range(7)]
    print(f"on 200 unseen pictures: variance rebuilt {model.score(unseen.data):.4f},")
    print(f"correlation of code and brightness, worst bar {min(agree):.4f}")

    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    # A unit's brightness has no scale of its own: each atom is drawn as bright as its brightest pixel allows.
    drawn = atoms / np.maximum(atoms.max(axis=1, keepdims=True), 1e-12)
    figure = plots.reconstructions(
        bars, {"unit": drawn}, image_shape=(20, 12), titles="abcdefg", title="Seven bars, and what seven units became"
    )
    plots.save(figure, home / "bars_and_atoms.png")
    some = [int(np.flatnonzero(unseen.target == digit)[0]) for digit in (1, 4, 2, 6, 8)]
    figure = plots.parts(
        unseen.data[some], codes[some], atoms, image_shape=(20, 12), title="Digits, taken apart by the code"
    )
    plots.save(figure, home / "digits_apart.png")


if __name__ == "__main__":
    main()
