import numpy as np
import pytest

from drawing import lab, linear
from isthmus.evaluation.plots import STYLES

# Full colour blindness in linear RGB: Machado, Oliveira and Fernandes, IEEE TVCG 15, 2009, table 1, severity 1.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(("style", "distance"), [("light", 17), ("dark", 25)])
def test_class_colours_are_distinguishable_with_colour_blindness(style, distance, sight):
    seen = lab(np.stack([linear(colour) for colour in STYLES[style].palette]) @ np.transpose(SIGHT[sight]))
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(10, 1)]
    assert len(seen) == 10
    assert distances.min() > distance


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("style", STYLES)
def test_colour_maps_are_readable_with_colour_blindness(style, sight):
    def seen(colour_map, at):
        return lab(np.stack([linear(colour) for colour in colour_map(at)[:, :3]]) @ np.transpose(SIGHT[sight]))

    lightness = seen(STYLES[style].sequential, np.linspace(0, 1, 20))[:, 0]
    assert (np.diff(lightness) > 0).all()
    low, middle, high = seen(STYLES[style].diverging, np.array([0.15, 0.5, 0.85]))
    assert min(np.linalg.norm(low - high), np.linalg.norm(low - middle), np.linalg.norm(high - middle)) > 30


@pytest.mark.parametrize("style", STYLES)
def test_no_class_colour_is_grey(style):
    # Grey points are those without a label. Chroma below 15 is a grey with a tint.
    colours = lab(np.stack([linear(colour) for colour in STYLES[style].palette]))
    assert np.hypot(colours[:, 1], colours[:, 2]).min() > 20
    greys = lab(np.stack([linear(colour) for colour in (STYLES[style].missing, STYLES[style].muted)]))
    assert np.linalg.norm(colours[:, None] - greys[None], axis=2).min() > 17
