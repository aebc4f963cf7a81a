"""The denoiser of isthmus with onnxruntime alone: neither isthmus nor JAX is imported.

    isthmus export denoiser -o denoiser.onnx
    python examples/denoise_onnx.py denoiser.onnx noisy.png clean.png --noise 25

The noise is its standard deviation where white is 255. Colours are rotated to luma and chroma, and the three planes are
cleaned as three pictures.
"""

import argparse

import numpy as np
import onnxruntime
from PIL import Image

# An orthogonal matrix: the mean of the channels, and two differences of them.
LUMA_AND_CHROMA = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
TO_POSITIVE = np.array([0, 1 / np.sqrt(2), 2 / np.sqrt(6)])  # the network has learned from pictures, which are >= 0


def clean_planes(session, planes, noise):
    """Return pictures (n, height, width) of values from 0 to 1 without noise of this standard deviation."""
    multiple = int(session.get_modelmeta().custom_metadata_map["isthmus.multiple"])
    height, width = planes.shape[1:]
    padded = np.pad(planes, ((0, 0), (0, -height % multiple), (0, -width % multiple)), mode="reflect")
    levels = np.full(len(planes), noise, np.float32)
    return session.run(["cleaned"], {"pictures": padded.astype(np.float32), "noise": levels})[0][:, :height, :width]


def clean(session, picture, noise):
    """Return a grey (height, width) or RGB picture (height, width, 3) without its noise."""
    if picture.ndim == 2:
        return clean_planes(session, picture[None], noise)[0]
    planes = np.moveaxis(picture @ LUMA_AND_CHROMA.T + TO_POSITIVE, -1, 0)
    return (np.moveaxis(clean_planes(session, planes, noise), 0, -1) - TO_POSITIVE) @ LUMA_AND_CHROMA


def main(model: str, noisy: str, target: str, noise: float) -> None:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    with Image.open(noisy) as file:
        picture = np.asarray(file.convert("L" if file.mode in ("L", "1", "LA") else "RGB"), np.float32) / 255
    cleaned = np.clip(clean(session, picture, noise / 255), 0, 1)
    Image.fromarray(np.round(255 * cleaned).astype(np.uint8)).save(target)
    print(f"{target}: {picture.shape[1]} x {picture.shape[0]} pixels")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="denoiser.onnx")
    parser.add_argument("noisy", help="a picture file")
    parser.add_argument("target", help="the file to write")
    parser.add_argument("--noise", type=float, default=25.0, help="standard deviation, where white is 255")
    main(**vars(parser.parse_args()))
