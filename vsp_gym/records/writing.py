"""Writing data sets. Files are made in a hidden folder and appear in the data set's folder whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.records.images import check_path
from vsp_gym.records.reading import import_pyarrow
from vsp_gym.records.sample import FIELDS, SPLITS, Sample

ROWS = 1024
"""Rows of a Parquet file's row group, so that a reader needs little memory."""


class Record(NamedTuple):
    """A sample ready to be written."""

    line: bytes
    """`Sample.to_json`."""
    image_path: str | None
    """`Sample.image_path`."""
    image: bytes | None
    """The picture as PNG."""


class Writer(ABC):
    """Writes one split of a data set into a folder.

    Args:
        folder: an existing folder, to be filled.
        split: one of `SPLITS`.
    """

    file: str
    """The split's file, or folder, relative to `folder`."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = folder
        self.split = split

    @abstractmethod
    def add(self, record: Record) -> None:
        """Write one record."""

    @abstractmethod
    def close(self) -> None:
        """Finish the files; no record can be added any more."""

    @abstractmethod
    def abort(self) -> None:
        """Close what is open, without finishing it."""

    def checksums(self) -> dict[str, dict[str, Any]]:
        """For every file and folder of the split, by its path, what `describe_path` says about it."""
        return {self.file: describe_path(self.folder / self.file)}


class JsonlWriter(Writer):
    """`train.jsonl`, and the pictures where the records say."""

    def __init__(self, folder: Path, split: str) -> None:
        super().__init__(folder, split)
        self.file = f"{split}.jsonl"
        self._lines = (folder / self.file).open("wb", 1 << 20)
        self._folders: dict[str, FolderSum] = {}

    def add(self, record: Record) -> None:
        self._lines.write(record.line)
        if record.image is None or record.image_path is None:
            return
        parent, _, name = record.image_path.rpartition("/")
        if parent not in self._folders:
            (self.folder / parent).mkdir(parents=True, exist_ok=True)
            self._folders[parent] = FolderSum()
        write_bytes(f"{self.folder}/{record.image_path}", record.image)
        self._folders[parent].add(name, record.image)

    def close(self) -> None:
        sync(self._lines)
        self._lines.close()

    def abort(self) -> None:
        self._lines.close()

    def checksums(self) -> dict[str, dict[str, Any]]:
        folders = {name: folder.describe() for name, folder in sorted(self._folders.items())}
        return {**super().checksums(), **folders}


class ParquetWriter(Writer):
    """`train.parquet`, with the pictures inside as `datasets` stores them."""

    def __init__(self, folder: Path, split: str) -> None:
        super().__init__(folder, split)
        self.file = f"{split}.parquet"
        self._parquet = import_pyarrow()
        self._schema = parquet_schema()
        self._stream = (folder / self.file).open("wb", 1 << 20)
        self._table = self._parquet.ParquetWriter(self._stream, self._schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, record: Record) -> None:
        row = json.loads(record.line)
        row["layout"] = json.dumps(row["layout"], separators=(",", ":"))
        row["optimal_plans"] = str(row["optimal_plans"])
        row["image"] = None if record.image is None else {"bytes": record.image, "path": record.image_path}
        self._rows.append(row)
        if len(self._rows) == ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        if self._rows:
            self._table.write_table(pyarrow.Table.from_pylist(self._rows, self._schema))
        self._rows = []

    def close(self) -> None:
        self._flush()
        self._table.close()
        sync(self._stream)
        self._stream.close()

    def abort(self) -> None:
        self._stream.close()


def parquet_schema() -> Any:
    """The columns of a Parquet file: those of `Sample`, and `image` with `bytes` and `path`.

    Layouts are JSON, since tasks have different ones, and `optimal_plans` is a decimal number as text,
    since it may exceed 64 bits. The metadata tells `datasets` that `image` is a picture.
    """
    import pyarrow

    types = {"size": "int64", "optimal_length": "int64", "turns": "int64", "detour": "float64"}
    types |= dict.fromkeys(("seed", "index", "image_size", "schema"), "int64")
    kinds = {name: types.get(name, "string") for name in FIELDS}
    features: dict[str, Any] = {name: {"dtype": kind, "_type": "Value"} for name, kind in kinds.items()}
    features["image"] = {"_type": "Image"}
    columns = [(name, getattr(pyarrow, kind)()) for name, kind in kinds.items()]
    picture = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    return pyarrow.schema(
        [*columns, ("image", picture)],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )


def _mgsd_writer(folder: Path, split: str) -> Writer:
    from vsp_gym.records.mgsd import MGSDWriter

    return MGSDWriter(folder, split)


FORMATS: Mapping[str, Callable[[Path, str], Writer]] = MappingProxyType(
    {"jsonl": JsonlWriter, "parquet": ParquetWriter, "mgsd": _mgsd_writer}
)
"""What writes a split, by the format's name."""


def get_format(name: str) -> Callable[[Path, str], Writer]:
    """What writes a split in that format; raises `UnknownNameError` for any other name."""
    if name not in FORMATS:
        raise UnknownNameError("format", name, FORMATS)
    return FORMATS[name]


def write_samples(
    samples: Iterable[Sample],
    out: str | os.PathLike[str],
    *,
    format: str = "jsonl",  # noqa: A002
) -> list[Path]:
    """Write samples as a data set, one file for each split.

    Args:
        samples: the samples, with their pictures in `image` if they have any; a picture without
            `image_path` gets one.
        out: a folder; made if it does not exist. Files of the same names in it are replaced.
        format: a key of `FORMATS`.

    Returns:
        The files (for MGSD's format, folders) of the splits.

    Raises:
        UnknownNameError: for an unknown format or split.
        FormatError: for an `image_path` that leaves the folder.
        VSPGymError: if a sample says that it has a picture that is not there, or pyarrow is missing.
        OSError: if the folder cannot be written.
    """
    make = get_format(format)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".vsp-gym-", dir=folder))
    writers: dict[str, Writer] = {}
    try:
        for sample in samples:
            if sample.split not in SPLITS:
                raise UnknownNameError("split", sample.split, SPLITS)
            if sample.split not in writers:
                writers[sample.split] = make(staging, sample.split)
            writers[sample.split].add(to_record(sample))
        for writer in writers.values():
            writer.close()
        publish(staging, folder)
    finally:
        for writer in writers.values():
            writer.abort()
        shutil.rmtree(staging, ignore_errors=True)
    return [folder / writers[split].file for split in SPLITS if split in writers]


def to_record(sample: Sample) -> Record:
    """The sample ready to be written."""
    path = sample.image_path
    if sample.image is None:
        if path is not None:
            raise VSPGymError(f"sample {sample.id!r}: its picture {path!r} is not in memory")
    elif path is None:
        path = f"images/{sample.split}/{sample.id}.png"
        sample = Sample(**{**sample.__dict__, "image_path": path})
    else:
        check_path(path)
    return Record(sample.to_json(), path, sample.image)


def publish(staging: Path, folder: Path) -> None:
    """Move everything in `staging` to `folder`; what is there already is replaced, other files stay.

    Folders named `images` are merged; pictures come first, so that no record is there before its picture.
    """
    for source in sorted(staging.iterdir(), key=lambda path: (path.name != "images", path.name)):
        target = folder / source.name
        if source.name == "images":
            target.mkdir(exist_ok=True)
            for inner in sorted(source.iterdir()):
                _move(inner, target / inner.name)
        else:
            _move(source, target)
    sync_folder(folder)


def _move(source: Path, target: Path) -> None:
    if source.is_dir() and target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    os.replace(source, target)


def write_bytes(path: str, data: bytes) -> None:
    """Make a file, by the shortest way."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Make a file that is there whole or not at all, even if the machine stops."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            sync(stream)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync(stream: Any) -> None:
    """Make sure that what was written to a file is on the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk, where the system can do that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderSum:
    """The checksum of a folder that is filled one file at a time, in any order.

    It is the sum, modulo 2 to the power of 256, of the SHA-256 of every file's name, a zero byte and
    the file's content.
    """

    def __init__(self) -> None:
        self._files = self._bytes = self._sum = 0

    def add(self, name: str, data: bytes) -> None:
        """Take a file into account; `name` is its path in the folder, with `/`."""
        self._files += 1
        self._bytes += len(data)
        self._sum += int.from_bytes(hashlib.sha256(b"%b\0%b" % (name.encode(), data)).digest(), "big")

    def describe(self) -> dict[str, Any]:
        """Number of files, bytes and the checksum."""
        return {"files": self._files, "bytes": self._bytes, "sha256": f"{self._sum % (1 << 256):064x}"}


def describe_path(path: Path) -> dict[str, Any]:
    """Bytes and SHA-256 of a file, or what `FolderSum` says about a folder and all below it."""
    if not path.is_dir():
        value = hashlib.sha256()
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                value.update(chunk)
        return {"bytes": path.stat().st_size, "sha256": value.hexdigest()}
    total = FolderSum()
    for parent, _, names in os.walk(path):
        below = os.path.relpath(parent, path).replace(os.sep, "/")
        for name in names:
            with open(os.path.join(parent, name), "rb") as stream:
                total.add(name if below == "." else f"{below}/{name}", stream.read())
    return total.describe()
