"""Data in and out: the dataset, readers of each format, class-disjoint splits, glyphs, validation."""

from hilander.data.dataset import Dataset
from hilander.data.errors import DataError
from hilander.data.images import Images
from hilander.data.read import FORMATS, read_dataset
from hilander.data.splits import split_classes, train_test, with_splits
from hilander.data.write import import_dataset, write_dataset

__all__ = [
    "FORMATS",
    "DataError",
    "Dataset",
    "Images",
    "import_dataset",
    "read_dataset",
    "split_classes",
    "train_test",
    "with_splits",
    "write_dataset",
]
