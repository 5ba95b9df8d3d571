"""Pictures of records: where they may lie and how large they may be. Nothing is decoded here."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from vsp_gym.errors import FormatError

MAX_PIXELS = 8192
"""Largest side of a picture."""

BYTES_PER_PIXEL = 4
"""A picture's file may have this many bytes a pixel, and `OVERHEAD` more."""

OVERHEAD = 1 << 16

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = 24  # signature, length and name of the first chunk, width and height


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height that a PNG's header states; raises `FormatError` if it is no PNG."""
    if len(data) < _HEADER or data[:8] != _SIGNATURE or data[12:16] != b"IHDR":
        raise FormatError("the picture is no PNG")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def check_image(data: bytes, image_size: int | None) -> bytes:
    """`data` if it is a PNG whose longer side is `image_size` pixels (any side if None).

    Raises:
        FormatError: if it is not, or its file is too long for such a picture.
    """
    width, height = png_size(data)
    longer = max(width, height)
    if min(width, height) < 1 or longer > MAX_PIXELS or image_size not in (None, longer):
        raise FormatError(f"image_size is {image_size}, but the picture is {width}x{height}")
    if len(data) > max_bytes(longer):
        raise FormatError(f"a picture of {width}x{height} has a file of {len(data)} bytes")
    return data


def max_bytes(image_size: int) -> int:
    """The largest file of a picture with that longer side."""
    return image_size * image_size * BYTES_PER_PIXEL + OVERHEAD


def check_path(path: str) -> PurePosixPath:
    """`path` if it stays in the folder it is relative to; raises `FormatError` if it could leave it."""
    parts = path.split("/")
    if path.startswith("/") or "\\" in path or ":" in path or "\0" in path or len(path) > 1000:
        raise FormatError(f"image_path must be relative, with '/' between its parts, not {path!r:.200}")
    if any(part in ("", ".", "..") for part in parts):
        raise FormatError(f"image_path must not have empty parts, '.' or '..', but is {path!r:.200}")
    return PurePosixPath(path)


def read_image(folder: Path, path: str, image_size: int | None) -> bytes:
    """The picture at `path` in the data set's `folder`.

    Raises:
        FormatError: if the path leaves the folder (also by a link), is no regular file, or the picture is not
            of the size stated.
    """
    file = folder / check_path(path)
    limit = max_bytes(MAX_PIXELS if image_size is None else min(image_size, MAX_PIXELS))
    try:
        real = file.resolve(strict=True)
        if not real.is_relative_to(folder.resolve()):
            raise FormatError(f"image_path {path!r:.200} leads out of the data set's folder")
        if not stat.S_ISREG(os.stat(real).st_mode):  # opening a pipe would wait for ever
            raise FormatError(f"image_path {path!r:.200} is no regular file")
        with real.open("rb") as stream:
            data = stream.read(limit + 1)
    except FormatError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"image_path {path!r:.200} cannot be read: {reason}") from None
    try:
        return check_image(data, image_size)
    except FormatError as error:
        raise FormatError(f"image_path {path!r:.200}: {error}") from None
