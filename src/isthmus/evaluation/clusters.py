"""Metrics of clusters: how well the groups that codes fall into are the classes of the rows."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isthmus.core.errors import InvalidParameterError
from isthmus.evaluation.neighborhoods import checked_labels, checked_rows, sampled


class ClusterScores(NamedTuple):
    """How well clusters of codes agree with classes.

    Attributes
    ----------
    accuracy : float
        Share of the rows that are in the cluster matched with their class, as in `clustering_accuracy`.
    nmi : float
        Normalised mutual information, 0 to 1, as scikit-learn's `normalized_mutual_info_score`.
    n_clusters : int
        Number of clusters.
    n_samples : int
        Number of rows that were clustered.
    """

    accuracy: float
    nmi: float
    n_clusters: int
    n_samples: int


def clustering_accuracy(labels: ArrayLike, clusters: ArrayLike) -> float:
    """Return the largest share of rows whose cluster stands for their class, if each stands for one class at most.

    Clusters are matched with classes by the Hungarian method. Rows of clusters without a class count as wrong, and so
    do those of the cluster -1, which is HDBSCAN's name for rows in no cluster.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        Classes.
    clusters : array-like of shape (n_samples,)
        The cluster of each row.

    Returns
    -------
    accuracy : float
        In [0, 1].

    References
    ----------
    Xie, Girshick and Farhadi, "Unsupervised deep embedding for clustering analysis", 2016.
    """
    from scipy.optimize import linear_sum_assignment

    found = np.asarray(clusters)
    classes, rows = np.unique(checked_labels(labels, len(found)), return_inverse=True)
    groups, columns = np.unique(found, return_inverse=True)
    counts = np.zeros((len(classes), len(groups)), np.int64)
    np.add.at(counts, (rows, columns), 1)
    if groups.dtype.kind in "if":
        counts = counts[:, groups != -1]
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(found))


def cluster_scores(
    codes: ArrayLike,
    labels: ArrayLike,
    *,
    method: Literal["kmeans", "mixture", "hdbscan"] = "kmeans",
    n_clusters: int | None = None,
    min_cluster_size: int | None = None,
    n_samples: int | None = 100_000,
    random_state: int = 0,
) -> ClusterScores:
    """Cluster codes without their labels, and compare the clusters with the labels.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Codes.
    labels : array-like of shape (n_samples,)
        Classes.
    method : {"kmeans", "mixture", "hdbscan"}
        scikit-learn's `KMeans` with ten starts; `GaussianMixture` with ten starts and full covariances, for clusters
        that are not round, as those of maps are not; or `HDBSCAN`, which finds the number of clusters and leaves
        rows out.
    n_clusters : int or None
        Number of clusters of k-means and of components of the mixture; None is the number of classes.
    min_cluster_size : int or None
        The smallest cluster of HDBSCAN; None is a hundredth of the rows, at least 5.
    n_samples : int or None
        The largest number of rows: a random sample; None is all.
    random_state : int
        Seed of the sample, of k-means and of the mixture.

    Raises
    ------
    InvalidParameterError
        If the method is unknown, or a setting belongs to the other method.
    """
    from sklearn.cluster import HDBSCAN, KMeans
    from sklearn.metrics import normalized_mutual_info_score
    from sklearn.mixture import GaussianMixture

    rows = checked_rows(codes, "codes")
    classes = checked_labels(labels, len(rows))
    chosen = sampled(len(rows), n_samples, random_state)
    rows, classes = rows[chosen], classes[chosen]
    if method in ("kmeans", "mixture"):
        _refuse(min_cluster_size=min_cluster_size, method=method)
        wanted = len(np.unique(classes)) if n_clusters is None else n_clusters
        if not 1 <= wanted <= len(rows):
            raise InvalidParameterError(f"n_clusters={wanted!r} must be an integer from 1 to {len(rows)}")
        kind: Any = KMeans if method == "kmeans" else GaussianMixture
        found: NDArray[Any] = kind(wanted, n_init=10, random_state=random_state).fit_predict(rows)
    elif method == "hdbscan":
        _refuse(n_clusters=n_clusters, method=method)
        smallest = max(5, len(rows) // 100) if min_cluster_size is None else min_cluster_size
        found = HDBSCAN(min_cluster_size=min(smallest, len(rows)), copy=True).fit_predict(rows)
    else:
        raise InvalidParameterError(f"method={method!r} must be one of 'kmeans', 'mixture', 'hdbscan'")
    nmi = float(normalized_mutual_info_score(classes, found))
    return ClusterScores(clustering_accuracy(classes, found), nmi, len(np.unique(found[found >= 0])), len(rows))


def _refuse(method: str, **setting: Any) -> None:
    for name, value in setting.items():
        if value is not None:
            raise InvalidParameterError(f"{name}={value!r} has no effect with method={method!r}; leave it out")
