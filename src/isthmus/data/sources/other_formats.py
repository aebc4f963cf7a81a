"""Formats that isthmus does not read, and what to do with their files."""

from __future__ import annotations

_SPREADSHEET = "a spreadsheet is not read; save the sheet as CSV, or use pandas.read_excel(...).to_parquet(...)"
_PICKLE = (
    "a pickle is never loaded, since it can run programs; load it yourself if you trust it, and save the rows with "
    "numpy.save or to_parquet"
)
_TORCH = "a file of torch is a pickle and never loaded; save the tensor with numpy.save(path, tensor.cpu().numpy())"
_ARCHIVE = "an archive is not read; unpack it and pass the folder"
_SCIENCE = "it is not read; load the array, and save it with numpy.save"
_CELLS = "it is not read; save the counts with scipy.sparse.save_npz, or the table as Parquet"
_STATISTICS = "it is not read; convert it to Parquet, such as pandas.{}(...).to_parquet(...)"

_REMEDIES = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"), _SPREADSHEET),
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".dill"), _PICKLE),
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin"), _TORCH),
    **dict.fromkeys((".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tbz2"), _ARCHIVE),
    **dict.fromkeys((".mat", ".h5", ".hdf5", ".hdf", ".nc", ".zarr", ".fits"), _SCIENCE),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), _STATISTICS.format("read_json")),
    **dict.fromkeys((".xml", ".html"), _STATISTICS.format("read_xml")),
    **dict.fromkeys((".h5ad", ".loom"), _CELLS),
    **dict.fromkeys(
        (".mtx", ".mtx.gz"), "it is not read; use scipy.sparse.save_npz(path, scipy.io.mmread(...).T.tocsr())"
    ),
    **dict.fromkeys(
        (".libsvm", ".svm", ".svmlight"),
        "it is not read; save what sklearn.datasets.load_svmlight_file returns with scipy.sparse.save_npz",
    ),
    ".arff": "it is not read; save what scipy.io.arff.loadarff returns as CSV",
    **dict.fromkeys((".onnx", ".gguf", ".keras", ".tflite", ".pb"), "it is a model of another program, not rows"),
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv", ".webm"), "save the frames of the film as pictures in a folder"),
    **dict.fromkeys(
        (".wav", ".mp3", ".flac", ".ogg"), "cut the sound to rows of one length, and save them with numpy.save"
    ),
    **dict.fromkeys(
        (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"), "develop it, and save it as .tif"
    ),
    **dict.fromkeys(
        (".part", ".crdownload", ".partial", ".tmp"), "the name is that of an unfinished file; wait, or write it again"
    ),
    ".tab": "rename it to .tsv",
    ".psv": "rename it to .csv",
    ".dta": _STATISTICS.format("read_stata"),
    ".sav": _STATISTICS.format("read_spss"),
    ".sas7bdat": _STATISTICS.format("read_sas"),
    ".orc": _STATISTICS.format("read_orc"),
    **dict.fromkeys(
        (".avro", ".rds", ".rdata", ".db", ".sqlite", ".sqlite3", ".duckdb"), "convert it to Parquet or CSV"
    ),
    **dict.fromkeys((".txt", ".dat", ".data"), "rename it to .csv if it is a table of text, to .tsv with tabs"),
    **dict.fromkeys((".ftr", ".ipc", ".arrows"), "rename it to .arrow"),
    **dict.fromkeys((".dcm", ".exr", ".svg", ".pdf", ".psd"), "save the picture as .png or .tif"),
    **dict.fromkeys((".tfrecord", ".tfrecords", ".webdataset"), "write the rows to Parquet or .npy files"),
    **dict.fromkeys(
        (".bz2", ".xz", ".lzma", ".gz", ".zst", ".lz4", ".br", ".z"),
        "unpack the file first; of packed files, only CSV and TSV are read, as .csv.gz, .csv.zst or .tsv.gz",
    ),
}


def remedy_for(name: str) -> str | None:
    """Return what to do with a file that is not read, by the suffix of its name, or None if that is unknown."""
    small = name.lower()
    suffix = max((one for one in _REMEDIES if small.endswith(one)), key=len, default=None)
    return None if suffix is None else _REMEDIES[suffix]
