"""The parameters of `NeighborAutoencoder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.core.parameters import Instance, Integer, Name, Number, declares_parameters, parameter
from isthmus.corruption import CORRUPTIONS
from isthmus.engine import SCHEDULES
from isthmus.estimators.parameters import AUTO, CORRUPTION, SCHEDULE
from isthmus.estimators.shared_parameters import as_in_autoencoder, shape_of_pictures, width_of_the_code
from isthmus.losses import CONTRASTS, KERNELS

OVER_TRAINING = Instance("a function from the share of training done, 0 to 1, to a number >= 0", callable)


@declares_parameters()
class NeighborParameters:
    """The parameters of `NeighborAutoencoder`: its own, and those of the autoencoder that it trains."""

    n_components: int = width_of_the_code()
    n_neighbors: int = parameter(
        "nearest neighbours of each row in the graph, at most the number of other rows",
        Integer(1),
        default=15,
        panel="map",
    )
    metric: str = parameter(
        "distance between scaled rows, by which the neighbours are found",
        Name(("euclidean", "cosine")),
        default="euclidean",
        panel="map",
    )
    contrast: str = parameter(
        "contrastive loss, with the other rows of the batch as negatives: infonce, the cross-entropy of the neighbour "
        "among them; negative_sampling, UMAP's cross-entropy of edges; nce, the same with a learned partition function",
        Name(CONTRASTS),
        default="infonce",
        panel="map",
    )
    kernel: str = parameter(
        "similarity of codes: cauchy, of their distance, as in t-SNE; cosine, of their directions",
        Name(KERNELS),
        default="cauchy",
        panel="map",
    )
    temperature: Any = parameter(
        "what the logarithm of similarities is divided by", Number(above=0), OVER_TRAINING, default=1.0, panel="map"
    )
    neighbor_weight: Any = parameter(
        "weight of the neighbours' loss", Number(0), OVER_TRAINING, default=1.0, panel="map"
    )
    reconstruction_weight: Any = parameter(
        "weight of the reconstruction loss, as a share of what reconstructing every row by the mean row would cost; "
        "auto: 2 in the first half of training, then rising to 40",
        Number(0),
        OVER_TRAINING,
        AUTO,
        default="auto",
        panel="map",
    )
    feature_components: int | str | None = parameter(
        "width of a first code, whose encoder is trained on neighbours by the cosine of codes, and then continued with "
        "a new last layer; None trains in one stage, as a network without hidden layers does; auto: 64, none for "
        "tables of fewer than 10,000 rows and for networks of your own",
        Integer(1),
        AUTO,
        default="auto",
        optional=True,
        panel="map",
    )
    feature_temperature: float = parameter("temperature of the first code", Number(above=0), default=0.5, panel="map")
    neighbors_of: str = parameter(
        "space in which the neighbours of the last stage are found: rows, as in the first stage; features, the first "
        "code of all rows, by cosine distance",
        Name(("rows", "features")),
        default="rows",
        panel="map",
    )
    augmentation: Any = parameter(
        "corruption of the rows in training, drawn independently for a row and its neighbour, as in `Autoencoder`; "
        "auto: deform for pictures of one channel, fading in the last 40 % of training, "
        "nothing for others, gaussian for other rows",
        Name(CORRUPTIONS, "auto"),
        CORRUPTION,
        default="auto",
        optional=True,
        panel="map",
    )
    hidden_layer_sizes: Sequence[int] = as_in_autoencoder("hidden_layer_sizes", default=(512, 256, 128))
    decoder_layer_sizes: Sequence[int] | None = as_in_autoencoder("decoder_layer_sizes")
    dropout: float = as_in_autoencoder("dropout")
    layer_norm: bool = as_in_autoencoder("layer_norm")
    datetimes: str = as_in_autoencoder("datetimes")
    missing: str = as_in_autoencoder("missing")
    network: Any = as_in_autoencoder("network")
    channels: Sequence[int] = as_in_autoencoder(
        "channels",
        help="channels of each level of a convolutional encoder, each of which halves height and width",
    )
    image_shape: Sequence[int] | None = shape_of_pictures()
    activation: Any = as_in_autoencoder("activation")
    output_activation: Any = as_in_autoencoder("output_activation")
    loss: Any = as_in_autoencoder("loss")
    feature_weights: Sequence[float] | Mapping[str, float] | None = as_in_autoencoder("feature_weights")
    penalty: Any = as_in_autoencoder(
        "penalty",
        help="term that is added to the loss of the last stage, whose code is the map, and not to that of the first; "
        "contractive: the squared change of the map with the row",
    )
    penalty_weight: float | None = as_in_autoencoder("penalty_weight")
    init: str = as_in_autoencoder("init")
    optimizer: Any = as_in_autoencoder("optimizer")
    learning_rate: float | str = as_in_autoencoder(
        "learning_rate", help="step size; auto: 5e-3, for fewer than 1,000 rows 2e-3"
    )
    learning_rate_schedule: Any = as_in_autoencoder(
        "learning_rate_schedule",
        help="as in `Autoencoder`, for each of the two stages",
        kinds=(Name(SCHEDULES), SCHEDULE),
        default="cosine",
    )
    weight_decay: float | None = as_in_autoencoder("weight_decay")
    gradient_clip: float | None = as_in_autoencoder("gradient_clip")
    batch_size: int | str = as_in_autoencoder(
        "batch_size",
        help="edges per step, each a row and a neighbour; auto is 512, less for fewer than 4,096 rows",
    )
    max_epochs: int | str = as_in_autoencoder(
        "max_epochs",
        help="passes over the rows in each stage; each pairs every row with the next of its neighbours; auto: "
        "as many as make 3,000 steps, from 5 to 200; of a table in one stage 5,000 steps, at most 500",
        kinds=(Integer(1), AUTO),
        default="auto",
    )
    shuffle: bool | str = as_in_autoencoder("shuffle")
    scaling: str | None = as_in_autoencoder("scaling")
    precision: str = as_in_autoencoder("precision")
    device: str | None = as_in_autoencoder("device")
    random_state: Any = as_in_autoencoder("random_state")
    verbose: int = as_in_autoencoder("verbose")
    display_step: int = as_in_autoencoder("display_step")
