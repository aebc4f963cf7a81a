"""Callbacks for `set_callbacks`: logs of epochs as a CSV file and for TensorBoard, and a progress bar."""

from isthmus.estimators.callbacks.csv_log import CSVLogger
from isthmus.estimators.callbacks.progress import RichProgress
from isthmus.estimators.callbacks.tensorboard import TensorBoard

__all__ = ["CSVLogger", "RichProgress", "TensorBoard"]
