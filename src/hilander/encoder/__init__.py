"""Images to embeddings: encoders trained here, brought along, or skipped."""

from hilander.encoder.base import Encoder
from hilander.encoder.encode_dataset import encode_dataset
from hilander.encoder.load_encoder import load_encoder
from hilander.encoder.make_encoder import make_encoder
from hilander.encoder.training import train_encoder
from hilander.encoder.training_run import EpochRecord

__all__ = [
    "Encoder",
    "EpochRecord",
    "encode_dataset",
    "load_encoder",
    "make_encoder",
    "train_encoder",
]
