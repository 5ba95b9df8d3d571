"""Reading data sets, one record at a time: whatever a file holds, a `Sample` or a `FormatError`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsp_gym.envs import get_task
from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.planning import Solution
from vsp_gym.records.images import check_image, png_size, read_image
from vsp_gym.records.sample import FIELDS, SPLITS, Sample, make_sample
from vsp_gym.suites.files import list_names, parse_json, read_lines

if TYPE_CHECKING:
    from vsp_gym.suites.base import SuiteItem

MAX_GROUP_BYTES = 2 << 30
"""Largest row group of a Parquet file, uncompressed."""

BATCH = 256
"""Rows of a Parquet file in memory at a time."""


def read_samples(
    path: str | os.PathLike[str], *, images: bool = True, verify: bool = True
) -> Iterator[Sample]:
    """The records of a data set.

    Args:
        path: a data set's folder, a `.jsonl` or `.parquet` file in it, or a folder of MGSD's.
        images: whether `Sample.image` is filled from the picture's file (if there is one).
        verify: whether everything that follows from a board is computed again and compared; without it,
            reading is several times as fast and only types, ranges, layouts and pictures are checked.

    Raises:
        FormatError: at the first record that is wrong or has the id of one before, naming file, row and
            field; at once if `path` holds no data set.
        VSPGymError: for Parquet, if pyarrow is not installed.
    """
    folder = Path(path)
    try:
        is_folder, is_file = folder.is_dir(), folder.is_file()
    except ValueError:  # a path with a NUL character
        is_folder = is_file = False
    if is_file:
        files = [folder]
    elif is_folder:
        files = find_files(folder)
    else:
        raise FormatError(f"{str(path)!r:.200} is no file or folder")
    if not files:
        return _read_mgsd(folder, images, verify)
    ids: set[str] = set()
    return (sample for file in files for sample in _read_file(file, images, verify, ids))


def find_files(folder: Path) -> list[Path]:
    """The files of the splits in a data set's folder, training first; none if it is not one of ours."""
    names = list_names(folder, ".jsonl") or list_names(folder, ".parquet")
    order = {split: number for number, split in enumerate(SPLITS)}
    return [
        folder / name for name in sorted(names, key=lambda name: order.get(name.split(".")[0], len(order)))
    ]


def _read_file(file: Path, images: bool, verify: bool, ids: set[str]) -> Iterator[Sample]:
    """The records of a file; `ids`, those of the records before, grows."""
    if file.suffix == ".parquet":
        return _read_parquet(file, images, verify, ids)
    if file.suffix == ".jsonl":
        return _read_jsonl(file, images, verify, ids)
    raise FormatError(f"{file}: a data set's file ends with .jsonl or .parquet")


def _read_jsonl(file: Path, images: bool, verify: bool, ids: set[str]) -> Iterator[Sample]:
    try:
        for number, line in read_lines(file):
            try:
                if isinstance(line, FormatError):
                    raise line
                sample = _with_new_id(Sample.from_dict(parse_json(line), verify=verify), ids)
                yield _with_image(sample, file.parent) if images else sample
            except FormatError as error:
                raise FormatError(f"{file}, line {number}: {error}") from None
    except FormatError as error:
        if str(error).startswith(f"{file}, "):
            raise
        raise FormatError(f"{file}: {error}") from None


def _with_new_id(sample: Sample, ids: set[str]) -> Sample:
    """`sample`, whose id is added to `ids`; raises `FormatError` if it is there already."""
    if sample.id in ids:
        raise FormatError(f"id {sample.id!r:.220} is that of a record before")
    ids.add(sample.id)
    return sample


def _with_image(sample: Sample, folder: Path) -> Sample:
    if sample.image_path is None:
        return sample
    return _replace(sample, image=read_image(folder, sample.image_path, sample.image_size))


def _replace(sample: Sample, **values: Any) -> Sample:
    return Sample(**{**sample.__dict__, **values})


def _read_parquet(file: Path, images: bool, verify: bool, ids: set[str]) -> Iterator[Sample]:
    parquet = import_pyarrow()
    import pyarrow

    try:
        with parquet.ParquetFile(file) as table:
            meta = table.metadata
            groups = [meta.row_group(i).total_byte_size for i in range(meta.num_row_groups)]
            if groups and max(groups) > MAX_GROUP_BYTES:
                raise FormatError(f"a row group has {max(groups)} bytes; allowed: {MAX_GROUP_BYTES}")
            columns = [name for name in (*FIELDS, "image") if name in table.schema_arrow.names]
            number = 0
            for batch in table.iter_batches(BATCH, columns=columns):
                for row in batch.to_pylist():
                    try:
                        yield _with_new_id(_from_row(row, images, verify), ids)
                    except FormatError as error:
                        raise FormatError(f"row {number}: {error}") from None
                    number += 1
    except FormatError as error:
        raise FormatError(f"{file}, {error}") from None
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise FormatError(f"{file}: this is no Parquet file that can be read: {error!s:.200}") from None


def _from_row(row: dict[str, Any], images: bool, verify: bool) -> Sample:
    image = row.pop("image", None)
    data = image.get("bytes") if isinstance(image, dict) else None
    layout, plans = row.get("layout"), row.get("optimal_plans")
    if isinstance(layout, str):
        try:
            row["layout"] = parse_json(layout)
        except FormatError as error:
            raise FormatError(f"layout: {error}") from None
    if isinstance(plans, str):
        if not (plans.isascii() and plans.isdecimal() and len(plans) <= 4000):
            raise FormatError(f"optimal_plans must be a number in decimal, not {plans!r:.80}")
        row["optimal_plans"] = int(plans)
    if data is not None and not isinstance(data, bytes):
        raise FormatError("image must have its PNG in bytes")
    sample = Sample.from_dict(row, image=data if images else None, verify=verify)
    if data is not None:
        try:
            check_image(data, sample.image_size)
        except FormatError as error:
            raise FormatError(f"image: {error}") from None
    elif sample.image_path is not None:
        raise FormatError("image is missing, but there is an image_path")
    return sample


def import_pyarrow() -> Any:
    """The module `pyarrow.parquet`; raises `VSPGymError` saying how to install it."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise VSPGymError("Parquet needs pyarrow: pip install 'vsp-gym[parquet]'") from None
    return pyarrow.parquet


def _read_mgsd(folder: Path, images: bool, verify: bool) -> Iterator[Sample]:
    from vsp_gym.suites.base import SuiteError
    from vsp_gym.suites.registry import read_suite

    try:
        found = read_suite("mgsd", folder)
    except FormatError:
        raise FormatError(
            f"{folder} holds no data set: no .jsonl or .parquet file, no folder level{{n}}/text of MGSD's"
        ) from None

    def samples() -> Iterator[Sample]:
        for index, item in enumerate(found):
            if isinstance(item, SuiteError):
                raise FormatError(f"{item.path}: {item.reason}")
            try:
                yield _from_item(folder, item, index, images, verify)
            except VSPGymError as error:
                raise FormatError(f"{item.source}: {error}") from None

    return samples()


def _from_item(folder: Path, item: SuiteItem, index: int, images: bool, verify: bool) -> Sample:
    """A record of a board that another project published."""
    if verify:
        for _, verdict in item.check():
            if not verdict.valid:
                raise FormatError(verdict.problem or "it states something wrong")
    task = get_task(item.task)
    image = size = path = None
    if item.image is not None:
        path = item.image.relative_to(folder).as_posix()
        image = read_image(folder, path, None)
        size = max(png_size(image))
    return make_sample(
        task,
        Solution(task, item.layout),
        id=f"{item.task}-{item.level}-{item.part.replace('/', '-')}-{item.id}",
        split=next((split for split in SPLITS if split in item.part.split("/")), SPLITS[0]),
        seed=0,
        index=index,
        image_size=size,
        image_path=path,
        image=image if images else None,
    )
