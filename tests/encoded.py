"""Encoded pictures of all formats with their samples, and helpers to read and rewrite them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from isthmus.images.files import read_picture, write_picture

RNG = np.random.default_rng(0)
GREY, COLOUR = RNG.integers(0, 256, (19, 13), np.uint8), RNG.integers(0, 256, (19, 13, 3), np.uint8)
ALPHA, INKS = RNG.integers(0, 256, (19, 13), np.uint8), RNG.integers(0, 256, (19, 13, 4), np.uint8)
WIDE, WIDE_COLOUR = RNG.integers(0, 65536, (19, 13), np.uint16), RNG.integers(0, 65536, (19, 13, 3), np.uint16)
WIDE_ALPHA = RNG.integers(0, 65536, (19, 13), np.uint16)
BILEVEL = RNG.random((19, 13)) < 0.5
FLOATS = RNG.normal(size=(19, 13)).astype(np.float32)


def with_alpha(colours, alpha):
    return np.dstack([colours, alpha])


def palette(colour_key=None):
    image = Image.fromarray(COLOUR // 64 * 64).quantize(64)
    if colour_key is not None:
        image.info["transparency"] = colour_key
    return image


def png(samples, kind, bits=16, *extra):
    """Return a PNG file without row filters."""
    raw = b"".join(b"\0" + row.astype(">u2" if bits == 16 else "u1").tobytes() for row in samples)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, kind, 0, 0, 0)
    middle = b"".join(chunk(*piece) for piece in extra)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + middle + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )


def tiff_of(samples, photometric, order="<", alpha=False):
    """Return an uncompressed TIFF file: a directory and one strip."""
    height, width, n_channels = samples.shape
    kind, bits = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind], 8 * samples.dtype.itemsize
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    entries = [(256, width), (257, height), (258, None), (259, 1), (262, photometric), (273, None), (277, n_channels)]
    entries += [(278, height), (279, len(data)), (339, kind)] + ([(338, 2)] if alpha else [])
    beyond = 8 + 2 + 12 * len(entries) + 4
    body = b""
    for tag, value in sorted(entries):
        if tag == 258 and n_channels > 2:
            body += struct.pack(order + "HHII", tag, 3, n_channels, beyond)
        elif tag == 258:
            body += struct.pack(order + "HHIHH", tag, 3, n_channels, bits, bits if n_channels > 1 else 0)
        else:
            value = beyond + 2 * n_channels if tag == 273 else value
            body += struct.pack(order + "HHII", tag, 4, 1, value)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(order + "IH", 8, len(entries))
    return (
        head + body + struct.pack(order + "I", 0) + struct.pack(order + f"{n_channels}H", *[bits] * n_channels) + data
    )


def saved(image, format, **options):
    file = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(file, format, **options)
    return file.getvalue()


def opened(path):
    return Image.open(io.BytesIO(path.read_bytes()))


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def rewritten(content, name, folder, change=lambda values: values):
    source, target = folder / name, folder / f"out-{name}"
    source.write_bytes(content)
    picture = read_picture(source)
    write_picture(picture, change(picture.values), target, overwrite=True)
    return picture, target


def frames_of(format):
    return saved(palette(), format, save_all=True, append_images=[Image.fromarray(COLOUR)])


RGBA, LA = with_alpha(COLOUR, ALPHA), with_alpha(GREY, ALPHA)
# Name: content, and its samples with alpha last.
EXACT = {
    "grey.png": (saved(GREY, "PNG"), GREY),
    "colour.png": (saved(COLOUR, "PNG"), COLOUR),
    "grey-alpha.png": (saved(LA, "PNG"), LA),
    "alpha.png": (saved(RGBA, "PNG"), RGBA),
    "bilevel.png": (saved(BILEVEL, "PNG"), BILEVEL),
    "grey16.png": (saved(WIDE, "PNG"), WIDE),
    "colour16.png": (png(WIDE_COLOUR, 2), WIDE_COLOUR),
    "grey-alpha16.png": (png(with_alpha(WIDE, WIDE_ALPHA), 4), with_alpha(WIDE, WIDE_ALPHA)),
    "alpha16.png": (png(with_alpha(WIDE_COLOUR, WIDE_ALPHA), 6), with_alpha(WIDE_COLOUR, WIDE_ALPHA)),
    "palette.png": (saved(palette(), "PNG"), np.asarray(palette().convert("RGB"))),
    "palette-alpha.png": (saved(palette(3), "PNG"), np.asarray(palette(3).convert("RGBA"))),
    "key.png": (
        saved(GREY, "PNG", transparency=int(GREY[0, 0])),
        with_alpha(GREY, 255 * (GREY[0, 0] != GREY).astype(np.uint8)),
    ),
    "key16.png": (
        png(WIDE, 0, 16, (b"tRNS", struct.pack(">H", WIDE[0, 0]))),
        with_alpha(WIDE, 65535 * (WIDE[0, 0] != WIDE).astype(np.uint16)),
    ),
    "colour-key16.png": (
        png(WIDE_COLOUR, 2, 16, (b"tRNS", struct.pack(">HHH", *WIDE_COLOUR[2, 3]))),
        with_alpha(WIDE_COLOUR, 65535 * (WIDE_COLOUR[2, 3] != WIDE_COLOUR).any(axis=2).astype(np.uint16)),
    ),
    "grey.tif": (saved(GREY, "TIFF"), GREY),
    "colour.tif": (saved(COLOUR, "TIFF", compression="tiff_lzw"), COLOUR),
    "alpha.tif": (saved(RGBA, "TIFF"), RGBA),
    "bilevel.tif": (saved(BILEVEL, "TIFF", compression="group4"), BILEVEL),
    "inks.tif": (saved(Image.fromarray(INKS, "CMYK"), "TIFF"), INKS),
    "grey16.tif": (saved(WIDE, "TIFF"), WIDE),
    "grey16-deflated.tiff": (saved(WIDE, "TIFF", compression="tiff_deflate"), WIDE),
    "grey16-big.tif": (tiff_of(WIDE[..., None], 1, ">"), WIDE),
    "colour16.tif": (tiff_of(WIDE_COLOUR, 2), WIDE_COLOUR),
    "colour16-big.tif": (tiff_of(WIDE_COLOUR, 2, ">"), WIDE_COLOUR),
    "alpha16.tif": (
        tiff_of(with_alpha(WIDE_COLOUR, WIDE_ALPHA), 2, alpha=True),
        with_alpha(WIDE_COLOUR, WIDE_ALPHA),
    ),
    "white16.tif": (tiff_of(WIDE[..., None], 0), 65535 - WIDE),
    "white.tif": (tiff_of(GREY[..., None], 0), 255 - GREY),
    "floats.tif": (saved(FLOATS, "TIFF"), FLOATS),
    "white-floats.tif": (tiff_of(FLOATS[..., None], 0), FLOATS),
    "grey.bmp": (saved(GREY, "BMP"), GREY),
    "colour.bmp": (saved(COLOUR, "BMP"), COLOUR),
    "bilevel.bmp": (saved(BILEVEL, "BMP"), BILEVEL),
    "palette.bmp": (saved(palette(), "BMP"), np.asarray(palette().convert("RGB"))),
    "grey-palette.png": (saved(Image.fromarray(GREY // 64).convert("P"), "PNG"), GREY // 64),
    "palette.gif": (saved(palette(), "GIF"), np.asarray(palette().convert("RGB"))),
    "grey.gif": (saved(GREY, "GIF"), GREY),
    "lossless.webp": (saved(COLOUR, "WEBP", lossless=True), COLOUR),
    "alpha.webp": (saved(RGBA, "WEBP", lossless=True, exact=True), RGBA),
    "grey.pgm": (saved(GREY, "PPM"), GREY),
    "colour.ppm": (saved(COLOUR, "PPM"), COLOUR),
    "bilevel.pbm": (saved(BILEVEL, "PPM"), BILEVEL),
    "grey16.pgm": (b"P5 13 19\n65535\n" + WIDE.astype(">u2").tobytes(), WIDE),
    "colour16.ppm": (b"P6\n# a comment\n13 19\n65535\n" + WIDE_COLOUR.astype(">u2").tobytes(), WIDE_COLOUR),
    "grey.npy": (npy(GREY), GREY),
    "column.npy": (npy(WIDE[..., None]), WIDE),
    "alpha.npy": (npy(RGBA), RGBA),
    "bilevel.npy": (npy(BILEVEL), BILEVEL),
    "double.npy": (npy(FLOATS.astype(np.float64)), FLOATS),
    "half.npy": (npy(FLOATS.astype(np.float16)), FLOATS.astype(np.float16)),
    "big-endian.npy": (npy(WIDE_COLOUR.astype(">u2")), WIDE_COLOUR),
}
# The mode after rewriting: palettes and transparent colours are converted.
MODE_AFTER = {
    "key.png": "LA",
    "palette.png": "RGB",
    "palette-alpha.png": "RGBA",
    "palette.bmp": "RGB",
    "grey-palette.png": "L",
}
