"""The parameters of `AutoencoderOutlierDetector`."""

from __future__ import annotations

from isthmus.core.parameters import Integer, Name, Number, declares_parameters, parameter
from isthmus.estimators.parameters import AUTO, AutoencoderParameters
from isthmus.estimators.shared_parameters import as_in_autoencoder


@declares_parameters(hidden_layer_sizes=(128,), dropout=0.1, max_epochs=20, early_stopping=False)
class OutlierParameters(AutoencoderParameters):
    """The parameters of `AutoencoderOutlierDetector`: those of the autoencoder underneath, and its own."""

    n_components: int | float | str = as_in_autoencoder(  # type: ignore[assignment]
        "n_components",
        help="width of the code; auto is the square root of the number of cells of a row; a number below 1 as in "
        "`Autoencoder`",
        kinds=(Integer(1), Number(above=0, below=1), AUTO),
        default="auto",
    )
    contamination: float | str = parameter(
        "share of the training rows that are outliers: the rows with the largest scores; auto: as `threshold` says",
        Number(above=0, high=0.5),
        AUTO,
        default="auto",
        panel="outliers",
    )
    threshold: str = parameter(
        "what decides, without a share in `contamination`: auto: the upper quantiles of the training rows' log "
        "scores, as of a normal distribution, or their tail, if that is lower; tail: a generalised Pareto tail of all "
        "training rows' scores; holdout: the scores of a fifth of the rows, held back from the fit",
        Name((), "auto", "tail", "holdout"),
        default="auto",
        panel="outliers",
    )
    false_alarms: float = parameter(
        "share of ordinary rows that `threshold` may call outliers",
        Number(above=0, below=0.5),
        default=0.01,
        panel="outliers",
    )
    n_estimators: int = parameter("autoencoders whose scores are averaged", Integer(1), default=1, panel="outliers")
    max_reference_rows: int = parameter(
        "largest number of training rows, drawn at random, that rows are compared with",
        Integer(2),
        default=8192,
        panel="outliers",
    )
