"""Checks of scikit-learn's that estimators are expected to fail, with the reason."""

_PAIR = ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data")
_REASON = (
    "training in batches is random, and validation rows are drawn one by one: a row with a weight is one draw and its "
    "copies are several; float32 rounds to 1e-7 in any case"
)


def expected_failures(estimator):
    """Return scikit-learn's checks that an estimator fails unless it trains on all rows at once, in float64."""
    own = getattr(estimator, "autoencoder", None)
    whole = [one for one in (own, estimator) if one is not None and "precision" in one.get_params(deep=False)]
    exact = all(one.precision == "float64" for one in whole) and isinstance(estimator.batch_size, int)
    return {} if whole and exact else dict.fromkeys(_PAIR, _REASON)
