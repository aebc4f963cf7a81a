"""Seven-segment digits with bars of varying brightness, and which of seven code units learn one bar each.

    python examples/led_digits.py

No labels are used, and no method is given the bars. Seven non-negative units can reconstruct the pictures in many ways,
and a sparsity that prefers few active units learns groups of bars that often occur together before it learns the bars.
The bars are singled out by the fact that brightness only adds: by non-negative weights (Lee and Seung, Nature 401,
1999) with an L2 penalty that removes the ones that are not needed. The class below is such a network in a dozen lines.
"""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from isthmus.datasets import load_seven_segment

from isthmus import Autoencoder, SparseAutoencoder, plots
from isthmus.sparsity import L1, BatchTopK, Lifetime


class NonNegative(eqx.Module):
    """A matrix whose entries are used by their absolute values."""

    weight: jax.Array

    def __call__(self, x):
        """Return the product with a row or a code."""
        return jnp.abs(self.weight) @ x


def non_negative(n_features, n_components, key):
    weight = 0.03 * jnp.abs(jax.random.normal(key, (n_components, n_features)))
    return NonNegative(weight), NonNegative(weight.T)


# Brightness in [0, 1] without a mean subtracted, so that black is 0.
SHARED = {"scaling": None, "output_activation": "identity", "early_stopping": False}
SPARSE = {**SHARED, "learning_rate": 3e-3}
NO_BIAS = {"pre_bias": False, "bias_start": "zeros"}
# For each method the best, or nearly the best, of a dozen learning rates, targets, weights and penalties.
METHODS = {
    "relu code alone": lambda: SparseAutoencoder(7, sparsity=L1(weight=0, **NO_BIAS), **SPARSE),
    "L1": lambda: SparseAutoencoder(7, sparsity=L1(weight=0.1, **NO_BIAS), l2_penalty=1e-2, **SPARSE),
    "lifetime": lambda: SparseAutoencoder(
        7, sparsity=Lifetime(0.7, transposed_start=True, unit_norm_decoder=True, **NO_BIAS), **SPARSE
    ),
    "batch top-k": lambda: SparseAutoencoder(
        7,
        sparsity=BatchTopK(k=5, k_start=7, anneal=0.8, **NO_BIAS),
        loss_reduction="sum",
        l2_penalty=0.03,
        **SPARSE,
    ),
    "non-negative weights": lambda: Autoencoder(
        7, network=non_negative, code_activation="relu", l2_penalty=1e-4, learning_rate=1e-2, **SHARED
    ),
}


def cosines(atoms, bars):
    """Return the cosine of each atom with each bar."""
    lengths = np.maximum(np.linalg.norm(atoms, axis=1, keepdims=True), 1e-12)
    return (atoms / lengths) @ (bars / np.linalg.norm(bars, axis=1, keepdims=True)).T


def main(folder: str = "runs/led_digits", n_samples: int = 1000, max_epochs: int = 150, n_seeds: int = 5) -> None:
    digits = load_seven_segment(kind="pictures", n_samples=n_samples, random_state=0)
    bars = digits.bar_images.reshape(7, -1)

    print(
        f"bars of 7 that a unit has learned (cosine at least 0.9), and the lowest cosine of a bar, for {n_seeds} seeds"
    )
    for name, make in METHODS.items():
        models = [make().set_params(max_epochs=max_epochs, random_state=i).fit(digits.data) for i in range(n_seeds)]
        best = np.array([cosines(model.components_, bars).max(axis=0) for model in models])
        found, worst = (best >= 0.9).sum(axis=1), best.min(axis=1)
        print(f"{name}: {' '.join(map(str, found))}; {' '.join(f'{each:.3f}' for each in worst)}")

    # The last method's model with the first seed is drawn, its units in the order of the bars.
    model = models[0]
    units = cosines(model.components_, bars).argmax(axis=0)
    atoms = model.components_[units]
    unseen = load_seven_segment(kind="pictures", n_samples=200, random_state=1)
    codes = model.transform(unseen.data)[:, units]
    agree = [np.corrcoef(codes[:, j], unseen.bars[:, j])[0, 1] for j in range(7)]
    print(f"on 200 unseen pictures: explained variance {model.score(unseen.data):.4f},")
    print(f"correlation of code and brightness, lowest of the bars {min(agree):.4f}")

    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    # The scale of an atom is arbitrary: each is drawn with its brightest pixel at 1.
    drawn = atoms / np.maximum(atoms.max(axis=1, keepdims=True), 1e-12)
    figure = plots.reconstructions(
        bars, {"unit": drawn}, image_shape=(20, 12), titles="abcdefg", title="Seven bars and the seven atoms learned"
    )
    plots.save(figure, output / "bars_and_atoms.png", overwrite=True)
    some = [int(np.flatnonzero(unseen.target == digit)[0]) for digit in (1, 4, 2, 6, 8)]
    figure = plots.parts(unseen.data[some], codes[some], atoms, image_shape=(20, 12), title="Digits as sums of atoms")
    plots.save(figure, output / "digits_apart.png", overwrite=True)


if __name__ == "__main__":
    main()
