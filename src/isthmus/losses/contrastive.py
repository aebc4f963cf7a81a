"""The contrastive objective of maps: similar codes for the two ends of an edge, dissimilar ones for other rows."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isthmus.core.reductions import batch_mean
from isthmus.core.types import Batch, Evaluated, ModelState, Noise, Output, Params, Scheduled
from isthmus.losses import CONTRASTS, KERNELS
from isthmus.losses.base import Objective
from isthmus.losses.penalties import weighted
from isthmus.losses.reconstruction import Reconstruction
from isthmus.networks.base import Network
from isthmus.sparsity.base import Step

NEGATIVES = 5  # the weight of a row's negatives, relative to its positive, as in word2vec and UMAP
NEIGHBOR_WEIGHT, RECONSTRUCTION_WEIGHT, TEMPERATURE = "neighbor_weight", "reconstruction_weight", "temperature"
_OWN = "contrast"  # the name of the objective's parameters among the network's
_FEW = 8  # units up to which differences are squared one by one
_CLOSEST = 1e-3  # what UMAP's own program adds to the squared distance of a negative, so that its gradient is finite
_TINY = 1e-12  # the squared length below which a code has no direction


def squared_distances(codes: Array) -> Array:
    """Return the squared distances (N, N) between codes (N, K); their gradient at equal codes is 0."""
    if codes.shape[1] <= _FEW:
        columns = [codes[:, unit] for unit in range(codes.shape[1])]
        squares = [jnp.square(column[:, None] - column) for column in columns]
        return sum(squares[1:], squares[0])
    lengths = jnp.sum(jnp.square(codes), axis=1)
    products = jnp.dot(codes, codes.T, precision="highest")
    return jnp.maximum(lengths[:, None] + lengths - 2 * products, 0)


def cauchy(codes: Array) -> Array:
    """Return the log of the similarity ``1 / (1 + d**2)`` of codes at a distance d, (N, N).

    van der Maaten and Hinton, "Visualizing data using t-SNE", 2008.
    """
    return -jnp.log(1 + squared_distances(codes))


def cosine(codes: Array) -> Array:
    """Return the log-similarity ``cos - 1`` of codes, (N, N), 0 for codes in one direction.

    Chen et al., "A simple framework for contrastive learning of visual representations", 2020.
    """
    squares = jnp.sum(jnp.square(codes), axis=1, keepdims=True)
    # A code of zeros has no direction: it counts as at right angles to all others.
    units = codes * jax.lax.rsqrt(jnp.where(squares > _TINY, squares, 1.0))
    return jnp.dot(units, units.T, precision="highest") - 1


def _roles(similarity: Array, weights: Array) -> tuple[Array, Array]:
    """Return the log-similarity of each row to its other end (N,), and the weights of its negatives (N, N)."""
    place = jnp.arange(len(similarity))
    other = place ^ 1
    positive = jnp.take_along_axis(similarity, other[:, None], axis=1)[:, 0]
    apart = (place != place[:, None]) & (place != other[:, None])
    return positive, jnp.where(apart, weights, 0.0)


def _mean_of_negatives(losses: Array, negatives: Array) -> Array:
    total = jnp.sum(negatives, axis=1)
    return jnp.sum(losses * negatives, axis=1) / jnp.where(total > 0, total, 1.0)


def infonce(similarity: Array, weights: Array, log_partition: Array) -> Array:
    """Return the negative log probability (N,) of the other end among it and all negatives.

    van den Oord et al., "Representation learning with contrastive predictive coding", 2018; with the Cauchy kernel
    Böhm et al., "Unsupervised visualization of image datasets using contrastive learning", 2023.

    Parameters
    ----------
    similarity : Array of shape (N, N)
        Log-similarities, at most 0; rows 2 i and 2 i + 1 are the ends of an edge.
    weights : Array of shape (N,)
        The weight of each row as a negative, 0 for padding.
    log_partition : Array of shape ()
        Not used.
    """
    positive, negatives = _roles(similarity, weights)
    # Relative to the largest, since the logarithm of a similarity that float32 rounds to 0 is not finite.
    largest = jax.lax.stop_gradient(jnp.maximum(positive, jnp.max(jnp.where(negatives > 0, similarity, -jnp.inf), 1)))
    shares = jnp.exp(jnp.where(negatives > 0, similarity - largest[:, None], 0.0)) * negatives
    total = jnp.exp(positive - largest) + jnp.sum(shares, axis=1)
    return jnp.log(total) + largest - positive


def negative_sampling(similarity: Array, weights: Array, log_partition: Array) -> Array:
    """Return UMAP's cross-entropy (N,), with a similarity as the probability of an edge.

    McInnes, Healy and Melville, "UMAP: uniform manifold approximation and projection", 2018, with its program's
    bound of the gradient at distance 0; as negative sampling, Damrich et al., "From t-SNE to UMAP with contrastive
    learning", 2023. Parameters as in `infonce`.
    """
    positive, negatives = _roles(similarity, weights)
    no_edge = -jnp.log1p((_CLOSEST - 1) * jnp.exp(similarity))
    return NEGATIVES * _mean_of_negatives(no_edge, negatives) - positive


def nce(similarity: Array, weights: Array, log_partition: Array) -> Array:
    """Return the cross-entropy (N,) of classifying the other end against negatives, with a learned partition function.

    Gutmann and Hyvärinen, "Noise-contrastive estimation", 2010. Parameters as in `infonce`.

    Parameters
    ----------
    similarity, weights : Array
        As in `infonce`.
    log_partition : Array of shape ()
        The learned logarithm of what similarities are divided by, relative to the density of negatives.
    """
    positive, negatives = _roles(similarity, weights)
    shift = log_partition + jnp.log(float(NEGATIVES))
    edge = jax.nn.softplus(shift - positive)
    return edge + NEGATIVES * _mean_of_negatives(jax.nn.softplus(similarity - shift), negatives)


@dataclass(frozen=True)
class Contrastive(Objective):
    """A contrastive loss, with the other rows of the batch as negatives, and the reconstruction loss of both ends.

    Its batches have pairs: rows 2 i and 2 i + 1 are the ends of an edge. The scheduled values are ``neighbor_weight``,
    ``temperature``, which divides log-similarities, and ``reconstruction_weight``.

    Parameters
    ----------
    network : Network
        The autoencoder.
    contrast : str
        A name in `CONTRASTS`.
    kernel : str
        A name in `KERNELS`: the similarity of codes.
    reconstruction : Reconstruction or None
        The reconstruction loss, of the same network, and its penalty; None leaves both out, and the decoder is not
        trained.
    """

    network: Network
    contrast: str = "infonce"
    kernel: str = "cauchy"
    reconstruction: Reconstruction | None = None

    @property
    def own_functions(self) -> tuple[str, ...]:
        """The parameters that are functions of a user, with their names."""
        return () if self.reconstruction is None else self.reconstruction.own_functions

    def __call__(
        self, params: Params, state: ModelState, batch: Batch, noisy: Array, noise: Noise | None, scheduled: Scheduled
    ) -> Evaluated:
        """Return the loss, the state as it was, and its terms.

        ``neighbors`` and ``reconstruction`` are not weighted; a penalty, by its name, is.
        """
        pre_code = self.network.encode(params, noisy, batch.row, noise, batch.condition)
        code = self.network.activate_code(pre_code)
        similarity = KERNELS[self.kernel](code) / scheduled[TEMPERATURE]
        partition = params[_OWN]["log_partition"] if _OWN in params else jnp.zeros((), similarity.dtype)
        neighbors = batch_mean(CONTRASTS[self.contrast](similarity, batch.shares, partition), batch)
        loss, terms = scheduled[NEIGHBOR_WEIGHT] * neighbors, {"neighbors": neighbors}
        if self.reconstruction is None:
            return loss, (state, terms)
        pre_output = self.network.decode(params, code, batch.row, noise)
        error = batch_mean(self.reconstruction.output_losses(pre_output, batch, scheduled), batch)
        loss, terms = loss + scheduled[RECONSTRUCTION_WEIGHT] * error, {**terms, "reconstruction": error}
        if self.reconstruction.penalty is None:
            return loss, (state, terms)
        step = Step(self.network, params, state, batch, noisy, noise, scheduled)
        output = Output(pre_code, code, self.network.activate_output(pre_output))
        penalties = weighted(self.reconstruction.penalty, step, output)
        return sum(penalties.values(), loss), (state, terms | penalties)

    def with_own(self, params: Params) -> Params:
        """Return a network's parameters with those of the contrastive loss."""
        own = {"log_partition": np.zeros((), self.network.dtype)}
        return {**params, _OWN: own} if self.contrast == "nce" else params

    @staticmethod
    def without_own(params: Params) -> Params:
        """Return a network's parameters alone."""
        return {name: leaf for name, leaf in params.items() if name != _OWN}
