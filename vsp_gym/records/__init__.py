"""`Sample`: the one record of a board, and how sets of them are stored and read.

A data set is a folder. It holds one file for each split, either `train.jsonl` beside `images/` or
`train.parquet` with the pictures inside; or MGSD's raw folders. `read_samples` reads all of them, and
believes nothing: every field is checked against the board.

>>> from vsp_gym.records import read_samples
>>> lengths = [sample.optimal_length for sample in read_samples("data")]  # doctest: +SKIP
"""

from __future__ import annotations

from vsp_gym.records.reading import read_samples
from vsp_gym.records.sample import SCHEMA_VERSION, SPLITS, Sample, make_sample
from vsp_gym.records.writing import FORMATS, write_samples

__all__ = [
    "FORMATS",
    "SCHEMA_VERSION",
    "SPLITS",
    "Sample",
    "make_sample",
    "read_samples",
    "write_samples",
]
