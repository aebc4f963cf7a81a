from isthmus.core.parameters import parameters_of
from isthmus.estimators.neighbor_parameters import NeighborParameters
from isthmus.estimators.parameters import AUTOENCODER


def test_parameters_of_maps():
    declared = parameters_of(NeighborParameters)
    own = [name for name in declared if name not in AUTOENCODER]
    assert own == [
        *("n_neighbors", "metric", "contrast", "kernel", "temperature", "neighbor_weight", "reconstruction_weight"),
        *("feature_components", "feature_temperature", "neighbors_of", "augmentation", "channels", "image_shape"),
    ]


def test_parameters_of_the_autoencoder_underneath_mean_the_same():
    declared = parameters_of(NeighborParameters)
    changed = {name for name in declared if name in AUTOENCODER and declared[name] != AUTOENCODER[name]}
    assert changed == {
        *("n_components", "hidden_layer_sizes", "learning_rate", "learning_rate_schedule"),
        *("batch_size", "max_epochs", "penalty"),
    }
