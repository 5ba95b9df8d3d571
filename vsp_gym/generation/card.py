"""The data card: README.md of a data set."""

from __future__ import annotations

from typing import Any

from vsp_gym.envs import get_task
from vsp_gym.records.sample import FIELDS, SPLITS

_WORDS = {
    "id": "unique name",
    "task": "name of the task",
    "split": "`train`, `validation` or `test`",
    "size": "side of the board in cells",
    "layout": "the board as JSON; coordinates are 0-based (row, col)",
    "text": "the symbolic state in words",
    "plan": "a shortest plan",
    "optimal_length": "actions in a shortest plan",
    "optimal_plans": "number of different shortest plans (Parquet: decimal text, it may exceed 64 bits)",
    "turns": "changes of direction in the plan",
    "detour": "optimal length compared to a straight walk",
    "difficulty": "bucket of the optimal length",
    "key": "equal for equal boards only",
    "orbit": "equal for a board and its mirror images only",
    "seed": "seed of the data set",
    "index": "position in the split",
    "theme": "look of the picture",
    "image_size": "longer side of the picture in pixels",
    "image_path": "the picture, relative to this folder",
    "schema": "version of the record",
}


def data_card(manifest: dict[str, Any]) -> str:
    """The text of README.md, from the manifest; its head tells the Hugging Face Hub which file is which."""
    splits = manifest["splits"]
    ordered = [split for split in SPLITS if split in splits]
    return "\n".join([*_head(splits, ordered), *_body(splits, ordered)]) + "\n"


def _head(splits: dict[str, Any], ordered: list[str]) -> list[str]:
    lines = ["---", "pretty_name: Visual spatial planning boards", "tags: [planning, vision-language]"]
    if all(splits[split]["format"] != "mgsd" for split in ordered):
        lines += ["configs:", "- config_name: default", "  data_files:"]
        for split in ordered:
            lines += [f"  - split: {split}", f"    path: {split}.{splits[split]['format']}"]
    return [*lines, "---", ""]


def _body(splits: dict[str, Any], ordered: list[str]) -> list[str]:
    tasks = sorted({row["task"] for split in ordered for row in splits[split]["counts"]})
    titles = ", ".join(get_task(task).title for task in tasks)
    version = splits[ordered[0]]["versions"]["vsp_gym"]
    lines = [
        "# Visual spatial planning boards",
        "",
        f"Boards of {titles}, each as a picture and in words, with a shortest plan and exact facts about it.",
        f"Generated with vsp-gym {version}; `manifest.json` has all parameters and checksums.",
        "",
        "No board occurs twice, and no board of one split is a mirror image or a rotation of one of another",
        "split, nor differs from one by its start only. The worked examples of prompts are not in the set.",
        "",
        "| split | task | size | difficulty | boards | of so many that there are |",
        "|---|---|---|---|---|---|",
    ]
    for split in ordered:
        for row in splits[split]["counts"]:
            known = row["available"]
            bound = f"{known['count']:,}" if known["exact"] else "more"
            title = get_task(row["task"]).title
            lines.append(
                f"| {split} | {title} | {row['size']} | {row['difficulty']} | {row['count']:,} | {bound} |"
            )
    lines += ["", *_usage(splits[ordered[0]]["format"]), "", "| field | meaning |", "|---|---|"]
    return [*lines, *(f"| `{name}` | {_WORDS[name]} |" for name in FIELDS)]


def _usage(name: str) -> list[str]:
    lines = [
        "```python",
        "from vsp_gym.records import read_samples",
        "",
        'samples = list(read_samples("."))',
        "```",
    ]
    if name == "parquet":
        lines += [
            "",
            "```python",
            "from datasets import load_dataset",
            "",
            'load_dataset("parquet", data_dir=".")',
            "```",
        ]
    return lines
