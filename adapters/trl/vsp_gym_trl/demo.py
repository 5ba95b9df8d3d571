"""The whole story on two processor cores, from random weights: the modality gap, and how it is closed.

A tiny Qwen3-VL learns two things at once: to plan from the state in words, and to say what it sees in a
picture. It can then do both halves of planning from a picture, and yet it does not: that is the modality gap.
On-policy context distillation closes it, without one plan for a picture being shown.

The loop is `vsp_gym_trl.lean`; the numbers come from `generate` of transformers on the exported model, judged
by the simulator.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.utils.logging import disable_progress_bar

from vsp_gym.envs import get_task
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.planning import shortest_plan
from vsp_gym.render import render_png
from vsp_gym.scoring import score_reply
from vsp_gym_trl.data import CELL, Board, plan_row
from vsp_gym_trl.evaluation import VIEWS, Generator, Score, View, evaluate
from vsp_gym_trl.lean.boards import make_boards, make_prompts, tile_patches
from vsp_gym_trl.lean.network import Network
from vsp_gym_trl.lean.training import PERCEPTION, Curve, Part, TaskData, Trainer
from vsp_gym_trl.lean.training import View as LeanView
from vsp_gym_trl.lean.weights import native_dtype
from vsp_gym_trl.losses import Objective
from vsp_gym_trl.report import Chart, Example, write_report
from vsp_gym_trl.tiny import build_model, build_processor, build_tokenizer

READERS = (LeanView("text-student", "full"), LeanView("teacher", "full"))
"""Who plans from words: the one that is measured, and the teacher."""

GROWTH = 0.3
"""The share of SFT in which larger boards are added to the smallest."""

START, GAP, CLOSED = "at random", "after SFT", "after OPCD"
"""The times at which the model is measured."""


@dataclass(frozen=True)
class DemoPreset:
    """How much is learned."""

    about: str
    model: str
    """Preset of `build_tiny`."""
    sizes: Mapping[int, float]
    """How often each size has its turn."""
    train_boards: int
    """Boards of each size to learn from."""
    test_boards: int
    """Boards of each size to be measured on."""
    sft_steps: int
    rows: int
    """Rows of a step, all of one size: words to plan from or pictures to state."""
    pictures: float
    """Share of the steps that are about pictures."""
    sft_rate: float
    objective: Objective
    opcd_steps: int
    rollouts: int
    """Replies that are distilled in a step."""
    replayed: int
    """Rows that are replayed in a step, now of words, now of pictures."""
    opcd_rate: float


PRESETS: Mapping[str, DemoPreset] = MappingProxyType(
    {
        "default": DemoPreset(
            "FrozenLake 3 and 4 in at most 15 minutes on two cores",
            model="small",
            sizes={3: 1.0, 4: 2.0},
            train_boards=20_000,
            test_boards=100,
            sft_steps=4000,
            rows=24,
            pictures=0.28,
            sft_rate=2e-3,
            objective=Objective("forward-kl"),
            opcd_steps=400,
            rollouts=32,
            replayed=24,
            opcd_rate=8e-4,
        ),
        "quick": DemoPreset(
            "every step once in seconds; nothing is learned",
            model="micro",
            sizes={3: 1.0, 4: 1.0},
            train_boards=64,
            test_boards=4,
            sft_steps=4,
            rows=4,
            pictures=0.5,
            sft_rate=1e-3,
            objective=Objective("forward-kl"),
            opcd_steps=2,
            rollouts=4,
            replayed=2,
            opcd_rate=5e-4,
        ),
    }
)


def get_preset(name: str) -> DemoPreset:
    """The preset of that name; raises `UnknownNameError` for any other."""
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]


class Demo:
    """A model that goes through the stages of the story.

    Args:
        preset: how much is learned.
        seed: of the weights, the boards and the samples.
        threads: processor threads.
        say: is told what happens.
    """

    task = get_task("frozen_lake")

    def __init__(self, preset: DemoPreset, *, seed: int, threads: int, say: Callable[[str], None]) -> None:
        torch.set_num_threads(threads)
        self.preset, self.say = preset, say
        self.began = time.perf_counter()
        self.tokenizer = build_tokenizer()
        self.processor = build_processor(self.tokenizer)
        self.model = build_model(self.tokenizer, preset.model, seed=seed)
        self.scores: dict[str, dict[View, Score]] = {}
        self.replies: dict[str, list[str]] = {}
        self.curves: dict[str, list[tuple[float, float]]] = {}
        self.losses: dict[str, dict[str, list[tuple[float, float]]]] = {}
        self._steps = 0
        self._random = np.random.default_rng(seed)
        self._make(seed)

    def _make(self, seed: int) -> None:
        """The trainer, and the held-out boards."""
        dtype = native_dtype("cpu")
        self.boards: list[Board] = []
        preset = self.preset
        book = make_prompts(self.task, self.tokenizer)
        data: dict[str, TaskData] = {}
        for size, share in preset.sizes.items():
            train = make_boards(book, self.tokenizer, size, preset.train_boards, "train", seed=seed)
            test = make_boards(
                *(book, self.tokenizer, size, preset.test_boards, "test"),
                seed=seed,
                distinct=True,
                walks=0,
            )
            patches = tile_patches(self.task, sorted(set(train.tiles.flatten().tolist())), dtype=dtype)
            data[f"{size} x {size}"] = TaskData(book, train, patches, share=share)
            self.boards += [self._board(layout) for layout in test.layouts]
        network = Network(self.model, "cpu", dtype)
        self.trainer = Trainer(network, data, self.tokenizer.eos_token_id, seed=seed)

    def _board(self, layout: Any) -> Board:
        plan = shortest_plan(self.task, layout) or ()
        image = render_png(self.task, layout, size=CELL * max(layout.rows, layout.cols))
        return Board(self.task, layout, plan, "classic", image)

    def seconds(self) -> float:
        """Since the demonstration began."""
        return time.perf_counter() - self.began

    # -- stages ------------------------------------------------------------------------------------

    def learn(self) -> None:
        """Planning from words and stating pictures, together."""
        preset = self.preset
        parts = [Part(views, preset.rows, growing=True) for views in (READERS, (PERCEPTION,))]

        def step() -> dict[str, Tensor]:
            return self.trainer.learn([parts[int(self._random.random() < preset.pictures)]])

        self._run(step, preset.sft_steps, preset.sft_rate, "SFT", growth=GROWTH)

    def distill(self) -> None:
        """Planning from pictures, from what the model itself knows of words."""
        preset = self.preset
        teacher = self.trainer.network.weights.frozen()
        parts = (Part(READERS, preset.replayed), Part((PERCEPTION,), preset.replayed))

        def step() -> dict[str, Tensor]:
            found = self.trainer.distill("full", preset.rollouts, preset.objective, teacher, led=True)
            self.trainer.learn([parts[self._random.integers(2)]])
            return {"divergence": found["divergence"]}

        self._run(step, preset.opcd_steps, preset.opcd_rate, "OPCD")

    def _run(
        self,
        step: Callable[[], dict[str, Tensor]],
        steps: int,
        rate: float,
        stage: str,
        growth: float = 0.0,
    ) -> None:
        watched = [share / 4 for share in range(1, 4)]
        first = self._steps

        def watch(curve: Curve) -> None:
            self._note(first + curve.steps, self.measure(self.boards[::4]))
            self.say(f"{stage}: step {curve.steps} of {steps}, {self._now()}")

        curve = self.trainer.run(
            step,
            steps=steps,
            rate=rate,
            growth=growth,
            every=max(1, steps // 50),
            watch=watch,
            watches=watched,
        )
        for point in curve.points:
            for name, value in point.items():
                if name not in ("seconds", "steps"):
                    line = self.losses.setdefault(stage, {}).setdefault(name, [])
                    line.append((first + point["steps"], value))
        self._steps += curve.steps

    # -- measuring ---------------------------------------------------------------------------------

    def measure(self, boards: Sequence[Board]) -> dict[View, Score]:
        """What transformers' model does with the present weights."""
        self.trainer.network.weights.export(self.model)
        return evaluate(self._generator(), boards, VIEWS)

    def _generator(self) -> Generator:
        targets = [plan_row(board).reply for board in self.boards]
        longest = max(len(ids) for ids in self.tokenizer(targets)["input_ids"])
        return Generator(self.model, self.processor, batch_size=100, max_new_tokens=longest + 8)

    def milestone(self, name: str) -> None:
        """Measure on all held-out boards, and keep some replies."""
        scores = self.scores[name] = self.measure(self.boards)
        self._note(self._steps, scores)
        rows = [plan_row(board) for board in self.gallery()]
        found = self._generator()([row.prompt for row in rows], [row.image for row in rows])
        self.replies[name] = [reply for reply, _ in found]
        self.say(f"{name}: {self._now()}")

    def gallery(self) -> list[Board]:
        """The held-out boards with the longest plans of each size."""
        chosen = []
        for size in self.preset.sizes:
            of_size = [board for board in self.boards if board.layout.rows == size]
            chosen += sorted(of_size, key=lambda board: -len(board.plan))[:3]
        return chosen

    def _note(self, step: int, scores: Mapping[View, Score]) -> None:
        for view, score in scores.items():
            self.curves.setdefault(view, []).append((float(step), score.macro))

    def _now(self) -> str:
        shares = ", ".join(f"{view} {100 * line[-1][1]:.0f}%" for view, line in self.curves.items())
        return f"{shares} ({self.seconds():.0f} s)"

    # -- what is left ------------------------------------------------------------------------------

    def table(self) -> list[list[str]]:
        """Right replies in percent: rows by time, columns by view."""
        rows = [["", "image → plan", "words → plan", "image → statement"]]
        for name, scores in self.scores.items():
            rows.append([name, *(f"{100 * scores[view].macro:.1f}%" for view in VIEWS)])
        bound = f"{100 * self.scores[GAP]['text-plan'].macro:.1f}%"
        return [*rows, ["text upper bound", bound, bound, ""]]

    def examples(self) -> list[Example]:
        """The gallery with the replies of all times."""
        found = []
        for index, board in enumerate(self.gallery()):
            replies = {}
            for name, texts in self.replies.items():
                score = score_reply(board.task, board.layout, texts[index])
                replies[name] = (texts[index], score.explanation, score.optimal)
            found.append(Example(board.image, replies))
        return found

    def save(self, out: Path) -> None:
        """Write the model, the numbers and the report to a folder."""
        self.trainer.network.weights.export(self.model)
        disable_progress_bar()  # for a file that is written at once
        self.model.save_pretrained(out / "model")
        self.processor.save_pretrained(out / "model")
        numbers = {
            "seconds": self.seconds(),
            "scores": {
                name: {view: score.to_dict() for view, score in scores.items()}
                for name, scores in self.scores.items()
            },
        }
        (out / "scores.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
        write_report(
            out / "report.html",
            "How a model learned to plan from pictures",
            story=_STORY.strip().split("\n\n"),
            table=self.table(),
            charts=[
                Chart("Held-out boards: right replies", self.curves, percent=True),
                *(Chart(f"{stage}: losses", lines) for stage, lines in self.losses.items()),
            ],
            examples=self.examples(),
        )


_STORY = """
A Qwen3-VL of about a million random weights learned two things at once: to plan from the state in words,
and to state a board that it sees in a picture. After that it can read the picture, and it can plan, but
it does not plan from the picture. This is the modality gap.

Then it taught itself. It wrote replies to pictures, and at each of their words it was moved towards what
it would have written itself had it read the board in words: on-policy context distillation. It was shown
no plan for any picture. Boards in words and pictures to state were replayed, so that neither was
forgotten.

All numbers are of boards that it was not trained on, nor on their mirror images; replies are greedy and
judged by the simulator. A plan is right if it is as short as the shortest, a statement if it gives the
whole board.
"""


def run_demo(
    out: str | Path,
    preset: str | DemoPreset = "default",
    *,
    seed: int = 0,
    threads: int = 2,
    say: Callable[[str], None] = print,
) -> Demo:
    """Run the demonstration and leave `model/`, `scores.json` and `report.html` in a folder.

    Args:
        out: the folder; it must not exist or be empty.
        preset: a key of `PRESETS`, or numbers.
        seed: of everything random.
        threads: processor threads.
        say: is told what happens.

    Raises:
        UnknownNameError: for an unknown preset.
        VSPGymError: if the folder has files in it.
    """
    folder = Path(out)
    numbers = get_preset(preset) if isinstance(preset, str) else preset
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise VSPGymError(f"{folder} is not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    demo = Demo(numbers, seed=seed, threads=threads, say=say)
    demo.milestone(START)
    demo.learn()
    demo.milestone(GAP)
    demo.distill()
    demo.milestone(CLOSED)
    demo.save(folder)
    return demo
