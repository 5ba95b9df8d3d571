"""One row per reply: what was asked, what was answered, how it was judged."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from vsp_gym.core import Layout
from vsp_gym.errors import FormatError
from vsp_gym.plans import ParseMode
from vsp_gym.scoring import PlanScore


@dataclass(frozen=True)
class Result:
    """The reply of one agent or model to one board, and its score."""

    board: str
    """Id of the board; rows with the same id are about the same board."""
    task: str
    """Name of the task."""
    size: int
    """Side of the board."""
    difficulty: str | None
    """Bucket of the optimal length, or None where there is none."""
    modality: str
    """What the agent was shown: `"image"`, `"text"`, `"both"`, or `"state"` for the board itself."""
    agent: str
    """Who replied: an agent's or a model's name."""
    layout: Layout
    reply: str
    """The whole reply, as it came."""
    score: PlanScore
    mode: ParseMode = "lenient"
    """How the reply was parsed."""

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON types; `vsp-gym score --jsonl` reads it again."""
        return {
            "board": self.board,
            "task": self.task,
            "size": self.size,
            "difficulty": self.difficulty,
            "modality": self.modality,
            "agent": self.agent,
            "layout": self.layout.to_dict(),
            "reply": self.reply,
            "mode": self.mode,
            "score": self.score.to_dict(),
        }


def write_results(results: Iterable[Result], path: Path) -> None:
    """Write results as JSON lines: the whole file appears at once, or an earlier one stays as it is."""
    write_whole(path, "".join(json.dumps(result.to_dict()) + "\n" for result in results))


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace `path` by a file that holds `content` (text as UTF-8); a failure leaves no partial file."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def parse_json(text: str | bytes) -> Any:
    """`text` as JSON, whatever it holds.

    Raises:
        FormatError: for bytes that are no UTF-8, broken JSON, NaN and infinities, integers too long
            to convert, and nesting too deep to read.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant)
    except FormatError:
        raise
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8: byte {error.object[error.start]:#04x} at {error.start}") from None
    except json.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise FormatError("not readable: the JSON is nested too deeply") from None
    except ValueError:  # Python refuses to convert integers of thousands of digits
        raise FormatError("not readable: an integer has too many digits") from None


def _refuse_constant(name: str) -> NoReturn:
    raise FormatError(f"not JSON: {name} is no JSON number")


def is_results(path: Path) -> bool:
    """Whether a file was written by `write_results` (its first line is a row)."""
    with open(path, "rb") as file:
        first = file.readline(1 << 24)
    try:
        row = parse_json(first)
    except FormatError:
        return False
    return isinstance(row, dict) and {"board", "agent", "layout", "reply", "score"} <= row.keys()
