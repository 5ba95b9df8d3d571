"""The method shown to work: a vision-language model from random weights, on all tasks at the paper's sizes.

A tiny Qwen3-VL learns to see and to plan from words. It then reads a picture without error and still cannot
plan from it: the modality gap. From there every arm starts anew with the same time, and closes the gap or
not: context distillation with the full divergence or with MGSD's sampled one, or fine-tuning on the oracle's
plans; with and without replay of what was learned before. The core's scorer and parsers judge replies.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.chart import Series, line_chart
from benchmarks.harness import machine
from vsp_gym import TASKS

if TYPE_CHECKING:
    from vsp_gym_trl.lean.boards import Mode, TaskBoards
    from vsp_gym_trl.lean.evaluation import Pending
    from vsp_gym_trl.lean.training import Curve, Part, TaskData, View

Counts = Mapping[str, Mapping[int, int]]

_REPEATS = 3
_BATCHES = 3
"""Batches of an arm's step besides those that are replayed."""

_REPLIES = 150
"""Boards of each task and size that are replied to at once when a model is judged."""

_WATCHED = 1 / 8
"""The share of the held-out boards that points of learning curves are measured on."""

HELD_OUT_THEMES = ("default", "high-contrast", "inverted")
PERTURBATIONS = tuple(
    (kind, severity, seed)
    for seed in range(3)
    for kind in ("noise", "blur", "jpeg", "brightness")
    for severity in (2, 3, 4)
)


@dataclass(frozen=True)
class Preset:
    """How much of everything."""

    about: str
    model: str
    """A preset of `vsp_gym_trl.tiny`."""
    counts: Counts
    """Training boards by task and size."""
    held_out: int
    """Held-out boards of every task and size (fewer where there are not as many)."""
    base_seconds: float
    """Learning to see and to plan from words."""
    direct_seconds: float
    """Long arms whose replies are the plan alone."""
    full_seconds: float
    """Long arms whose replies state the board and then plan."""
    other_seconds: float
    """Arms that are compared with each other at equal time."""
    extra_seconds: float
    """Every arm of the further questions."""
    arms: tuple[str, ...] = ("main",)
    """Groups of arms that are run."""
    shares: Mapping[str, float] = field(
        default_factory=lambda: {"frozen_lake": 0.37, "maze": 0.50, "mini_behaviour": 0.13}
    )
    """How often each task has its turn in the base stage; sizes have it by their counts."""
    arm_shares: Mapping[str, float] = field(
        default_factory=lambda: {"frozen_lake": 0.40, "maze": 0.44, "mini_behaviour": 0.16}
    )
    """The same for arms, where sizes have it by their third power."""
    seeds: int = 3
    """Runs of the two arms that matter."""
    few: int = 1800
    """Boards where oracle plans are scarce."""
    base_boards: int = 192
    """Boards of one task and size, two such batches in a step of the base stage: read, and once in six
    seen."""
    rollouts: int = 128
    """Boards of one task and size, three such batches in a step of an arm; besides them, one of `base_boards`
    is replayed: read, and in every third step seen."""
    batches: int = 12
    """Batches that a student replies to at once; a policy gradient has new replies in every step."""
    steps: int | None = None
    """Limits every stage, for tests."""
    rate: float = 3e-3
    distill_rate: float = 4e-3
    hidden: float = 2.0
    """The weight of the distance of hidden states in arms that have it."""
    muon: bool = True
    growth: float = 0.3
    """The share of the base stage in which larger boards are added to each task's smallest."""
    arm_growth: float = 0.2
    """The same for arms."""
    watches: int = 5
    """Points of the learning curves."""


_SMOKE: Counts = {"frozen_lake": {3: 200}, "maze": {3: 200}, "mini_behaviour": {5: 200}}
_FULL: Counts = {
    "frozen_lake": {3: 4_000, 4: 10_000, 5: 22_000, 6: 36_000, 7: 56_000, 8: 92_000},
    "maze": {3: 4_000, 4: 16_000, 5: 60_000, 6: 180_000},
    "mini_behaviour": {5: 8_000, 6: 20_000},
}

PRESETS: Mapping[str, Preset] = {
    "smoke": Preset(
        "a few steps of everything on a CPU: shows that it runs, learns nothing",
        "micro",
        _SMOKE,
        held_out=8,
        base_seconds=1e9,
        direct_seconds=1e9,
        full_seconds=1e9,
        other_seconds=1e9,
        extra_seconds=1e9,
        arms=("main", "comparison", "questions"),
        seeds=2,
        few=30,
        base_boards=4,
        rollouts=8,
        batches=2,
        steps=3,
        watches=2,
    ),
    "full": Preset(
        "the benchmark, for one GPU of the H100's class",
        "base",
        _FULL,
        held_out=300,
        base_seconds=260,
        direct_seconds=66,
        full_seconds=80,
        other_seconds=24,
        extra_seconds=20,
    ),
}


@dataclass(frozen=True)
class Arm:
    """One way to go on from the model that sees and can plan from words."""

    name: str
    mode: Mode
    objective: str = ""
    """A divergence of `vsp_gym_trl.losses`, or empty for fine-tuning on the oracle's plans."""
    hidden: bool = False
    """Whether hidden states are led to the teacher's as well."""
    replay: bool = True
    long: bool = False
    """Whether it has the time of the arms that matter."""
    shown: bool = False
    """Whether the teacher sees the reference plan."""
    few: bool = False
    """Whether it has only a few boards, with one plan each."""
    perturbed: bool = False
    """Whether pictures are perturbed (for arms that learn to see)."""
    group: str = "main"
    """`main`, `comparison` or `questions`."""
    seed: int = 0


def make_arms(preset: Preset) -> list[Arm]:
    """The preset's arms, those that matter first."""
    matter = [
        Arm("distilled with hidden states", "full", "reverse-kl", hidden=True, long=True),
        Arm("distilled with hidden states", "direct", "reverse-kl", hidden=True, long=True),
    ]
    others = [
        Arm("distilled", "direct", "reverse-kl"),
        Arm("MGSD's sampled objective", "direct", "sampled"),
    ]
    oracle = Arm("fine-tuned on oracle plans", "direct")
    comparison = [
        oracle,
        Arm("distilled with hidden states, briefly", "direct", "reverse-kl", hidden=True),
        *(replace(arm, seed=seed) for seed in range(1, preset.seeds) for arm in matter),
        *(replace(arm, replay=False) for arm in (*matter, *others, oracle)),
    ]
    questions = [
        Arm("few boards: fine-tuned on oracle plans", "direct", few=True),
        Arm("few boards: distilled", "direct", "reverse-kl", few=True),
        Arm("teacher without the reference plan", "direct", "reverse-kl"),
        Arm("teacher with the reference plan", "direct", "reverse-kl", shown=True),
        Arm("seeing, plain pictures", "state"),
        Arm("seeing, perturbed pictures", "state", perturbed=True),
        Arm("fine-tuned on oracle plans", "full"),
        Arm("MGSD's sampled objective", "full", "sampled"),
    ]
    groups = {"main": [*matter, *others], "comparison": comparison, "questions": questions}
    for group in preset.arms:
        if group not in groups:
            raise click.UsageError(f"--set arms: no group {group!r:.40}; there are {', '.join(groups)}")
    return [replace(arm, group=group) for group in preset.arms for arm in groups[group]]


@dataclass
class Outcome:
    """What an arm came to."""

    arm: dict[str, Any]
    scores: dict[str, Any] = field(default_factory=dict)
    """By view, as `Pending.result` gives them."""
    curve: dict[str, Any] = field(default_factory=dict)
    watched: list[dict[str, float]] = field(default_factory=list)
    """Seconds, and the share of optimal plans at that time."""


class Run:
    """One run of the benchmark."""

    def __init__(self, preset: Preset, device: str, workers: int, seed: int, compiled: bool) -> None:
        import torch
        from vsp_gym_trl.lean.boards import executor
        from vsp_gym_trl.lean.network import Network
        from vsp_gym_trl.tiny import build_model, build_tokenizer

        torch.backends.cuda.enable_cudnn_sdp(False)  # plans 60 ms for every new length, and is no faster
        self.preset, self.seed = preset, seed
        self.pool = executor(workers) if workers > 1 else None
        self.tokenizer = build_tokenizer()
        model = build_model(self.tokenizer, preset.model, seed=seed)
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        self.model = model
        self.network = Network(model, device, dtype, compiled=compiled)
        self.device, self.dtype, self.compiled = device, dtype, compiled
        self.began = time.perf_counter()
        self.data: dict[str, TaskData] = {}
        self.held_out: dict[str, TaskBoards] = {}
        self.outcomes: list[Outcome] = []
        self.stages: dict[str, Any] = {}
        self._waiting: list[tuple[dict[str, Any], str, Any]] = []

    def log(self, *words: object) -> None:
        """Say what happens, and when."""
        click.echo(f"[{time.perf_counter() - self.began:6.1f}] " + " ".join(map(str, words)))

    # ---- data ---------------------------------------------------------------------------------------------

    def make_data(self, kept: Path | None = None) -> None:
        """Boards of all tasks, made in all processes; those to learn from may come from an earlier run."""
        import torch
        from vsp_gym_trl.lean.boards import TaskBoards, make_boards, make_prompts
        from vsp_gym_trl.lean.training import TaskData

        began = time.perf_counter()
        how: dict[str, Any] = {"seed": self.seed}
        if self.pool:
            how["map_jobs"] = self.pool.map
        known: dict[str, dict[str, Any]] = {}
        if kept and kept.exists():
            known = torch.load(kept, weights_only=True)
        for task, counts in self.preset.counts.items():
            book = make_prompts(task, self.tokenizer)
            how["side"] = max(counts)
            for size, count in counts.items():
                name = f"{task} {size}"
                asked = (book, self.tokenizer, size)
                if name in known:
                    try:
                        boards = TaskBoards.from_tensors(book.task, size, known[name])
                    except KeyError as error:
                        raise click.UsageError(f"{kept} lacks {error}: it is of another version") from None
                    if len(boards) != count:
                        raise click.UsageError(
                            f"{kept} has {len(boards):,} boards of {name}, and {count:,} are wanted: "
                            "it is of another preset"
                        )
                else:
                    boards = make_boards(*asked, count, "train", **how)
                    known[name] = boards.tensors()
                boards = boards.to(self.device)
                held_out = make_boards(*asked, self.preset.held_out, "test", distinct=True, walks=0, **how)
                self.held_out[name] = held_out.to(self.device)
                patches = self._patches(task, "classic", [boards, self.held_out[name]])
                share = self.preset.shares[task] * count / sum(counts.values())
                self.data[name] = TaskData(book, boards, patches, share=share)
                self.log(name, f"{len(boards):,} boards, {len(self.held_out[name])} held out")
        if kept and not kept.exists():
            torch.save(known, kept)
        self.stages["data"] = {
            "seconds": time.perf_counter() - began,
            "boards": sum(map(len, self._boards())),
        }

    def _boards(self) -> list[TaskBoards]:
        return [task.boards for task in self.data.values()]

    def _patches(self, task: str, theme: str, boards: Sequence[TaskBoards]) -> Any:
        """The tiles of some boards in a theme, and in perturbed versions of it."""
        import torch
        from vsp_gym_trl.lean.boards import tile_patches

        codes = sorted({code for some in boards for code in torch.unique(some.tiles).tolist()})
        wanted = PERTURBATIONS if theme == "classic" else ()
        return tile_patches(
            TASKS[task], codes, theme=theme, perturbations=wanted, device=self.device, dtype=self.dtype
        )

    # ---- stages -------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """What the arms need: the trainer, the judges, the views."""
        from vsp_gym_trl.lean.evaluation import Evaluator
        from vsp_gym_trl.lean.training import PERCEPTION, Part, Trainer, View

        preset = self.preset
        self.trainer = Trainer(self.network, self.data, self.tokenizer.eos_token_id, seed=self.seed)
        self.evaluator = Evaluator(
            self.trainer, self.tokenizer, self.held_out, executor=self.pool, batch=_REPLIES
        )
        modes: tuple[Mode, ...] = ("direct", "full")
        self.seeing: View = PERCEPTION
        self.planning: dict[Mode, View] = {mode: View("student", mode) for mode in modes}
        self.reading: dict[Mode, View] = {mode: View("text-student", mode) for mode in modes}
        self.teaching = {
            (mode, shown): View("teacher", mode, shown) for mode in modes for shown in (False, True)
        }
        words = {
            mode: (*[self.reading[mode]] * 4, *[self.teaching[mode, False]] * 3, self.teaching[mode, True])
            for mode in modes
        }
        both = (*words["direct"], *words["full"])
        base = Part((*both, *[PERCEPTION] * (len(both) // 5)), preset.base_boards, turns=True, growing=True)
        self.base_parts: list[Part] = [base] * 2
        read = Part(both, preset.base_boards, turns=True)
        self.replay_parts = [read, read, Part((PERCEPTION,), preset.base_boards, turns=True, even=True)]

    def learn(self, name: str, parts: Sequence[Part]) -> None:
        """The supervised stage, on all boards."""
        curve = self.trainer.run(
            lambda: self.trainer.learn(parts),
            seconds=self.preset.base_seconds,
            steps=self.preset.steps,
            rate=self.preset.rate,
            muon=self.preset.muon,
            growth=self.preset.growth,
        )
        boards = curve.steps * sum(part.boards for part in parts)
        self.stages[name] = {**asdict(curve), "boards": boards}
        last = {key: round(value, 3) for key, value in (curve.points or [{}])[-1].items()}
        self.log(name, f"{curve.steps} steps, {boards / curve.seconds:,.0f} boards/s", last)

    def base(self, kept: Path | None = None) -> None:
        """Learn to see and to plan from words, or take the model of an earlier run: what arms start from."""
        import torch

        began = time.perf_counter()
        self.trainer.warm_up(self.base_parts[:1])
        self.stages["compilation"] = {"seconds": time.perf_counter() - began}
        self.log("compiled")
        if kept and kept.exists():
            weights = torch.load(kept, weights_only=True)
            if len(weights) != len(self.network.weights):
                raise click.UsageError(
                    f"{kept} has {len(weights):,} weights, and the model has {len(self.network.weights):,}"
                )
            self.network.weights.load(weights.to(self.device))
        else:
            self.learn("learning to see, and to plan from words", self.base_parts)
            if kept:
                torch.save(self.network.weights.flat.cpu(), kept)
        self.start = self.network.weights.flat.clone()
        self.teacher = self.network.weights.frozen()
        self.stages["base"] = {}
        self.score(
            self.stages["base"],
            self.seeing,
            *self.planning.values(),
            *self.reading.values(),
            *self.teaching.values(),
        )

    def measure_speed(self) -> None:
        """How long the parts of a step take with the present model."""
        from vsp_gym_trl.losses import Objective

        trainer, preset, objective = self.trainer, self.preset, Objective("reverse-kl")
        trainer.reseed(self.seed)
        boards = {name: task.boards for name, task in self.data.items()}
        largest = list({task.book.task.name: name for name, task in self.data.items()}.values())
        names = [largest[number % len(largest)] for number in range(preset.batches)]
        asked = [(name, trainer.draw(boards[name], preset.rollouts)) for name in names]
        work: dict[str, Callable[[], object]] = {
            "a step of the base stage": lambda: trainer.learn(self.base_parts),
            "three replays": lambda: trainer.learn(self.replay_parts),
        }

        def distill(mode: Mode) -> None:
            for _ in names:
                trainer.distill(
                    *(mode, preset.rollouts, objective, self.teacher),
                    hidden=preset.hidden,
                    batches=preset.batches,
                    names=names,
                )

        for mode, view in self.planning.items():
            work[f"{mode}: replies"] = partial(trainer.reply, view, asked, boards)
            work[f"{mode}: replies and gradients"] = partial(distill, mode)
        self.stages["speed"] = {"boards": preset.rollouts * preset.batches}
        for name, part in work.items():
            part()
            self.stages["speed"][name] = min(trainer.seconds(part) for _ in range(_REPEATS))
        self.network.weights.gradient.zero_()
        self.log("seconds:", {name: round(value, 4) for name, value in self.stages["speed"].items()})

    def score(self, into: dict[str, Any], *views: View) -> list[Pending]:
        """Have the model's replies judged; `collect` puts the result `into["scores"]`."""
        started = [self.evaluator.start(view) for view in views]
        for view, pending in zip(views, started):
            self._waiting.append((into.setdefault("scores", {}), _label(view), pending))
        return started

    def collect(self) -> None:
        """Wait for the judges."""
        for into, label, pending in self._waiting:
            into[label] = pending.result()
        self._waiting.clear()

    # ---- arms ---------------------------------------------------------------------------------------------

    def run_arm(self, arm: Arm) -> None:
        """Start from the base model again, go on in one way and be judged."""
        from vsp_gym_trl.losses import Objective

        preset, trainer = self.preset, self.trainer
        self.network.weights.load(self.start)
        seed = self.seed + 1000 * (arm.seed + 1)
        trainer.reseed(seed)
        outcome = Outcome(asdict(arm))
        self.outcomes.append(outcome)
        boards = self._few_boards() if arm.few else None
        objective = Objective(arm.objective, guard=arm.objective != "sampled") if arm.objective else None
        for task in self.data.values():
            kind = task.book.task.name
            cubes = {size: size**3 for size in preset.counts[kind]}
            task.share = preset.arm_shares[kind] * cubes[task.boards.size] / sum(cubes.values())
            task.looks = len(task.patches) if arm.perturbed else 1

        batches = _BATCHES if arm.objective == "sampled" else preset.batches
        replayed = itertools.cycle(self.replay_parts)

        def distill(names: Sequence[str] = ()) -> dict[str, Any]:
            assert objective is not None  # for the type checker
            return trainer.distill(
                *(arm.mode, preset.rollouts, objective, self.teacher),
                shown=arm.shown,
                hidden=preset.hidden * arm.hidden,
                boards=boards,
                batches=batches,
                names=names,
            )

        def step() -> dict[str, Any]:
            if objective:
                numbers = [distill() for _ in range(_BATCHES)][-1]
            else:
                numbers = trainer.learn([self._oracle_part(arm)] * _BATCHES, boards)
            if arm.replay:
                trainer.learn([next(replayed)])
            return numbers

        if objective:
            for names in trainer.rounds(batches):
                for _ in names:
                    distill(names)
            trainer.reseed(seed)
        else:
            trainer.warm_up([self._oracle_part(arm)])

        watched: list[tuple[float, Any]] = []

        def watch(curve: Curve) -> None:
            pending = self.evaluator.start(self._view(arm), share=_WATCHED)
            watched.append((curve.seconds, pending))

        curve = trainer.run(
            step,
            seconds=self._seconds(arm),
            steps=preset.steps,
            rate=preset.distill_rate,
            muon=preset.muon,
            growth=preset.arm_growth,
            every=10,
            watch=watch,
            watches=[i / preset.watches for i in range(preset.watches)],
        )
        outcome.curve = asdict(curve)
        into = {"scores": outcome.scores}
        if arm.mode == "state":
            final, *_ = self.score(into, self.seeing)
            self._score_themes(outcome.scores)
        else:
            final, *_ = self.score(into, self.planning[arm.mode], self.seeing, self.reading[arm.mode])
        watched.append((curve.seconds, final))
        measure = "state" if arm.mode == "state" else "optimal"
        outcome.watched = [
            {"seconds": seconds, measure: pending.result()[measure]["macro"]} for seconds, pending in watched
        ]
        last = {key: round(value, 3) for key, value in (curve.points or [{}])[-1].items()}
        self.log(_title(arm), f"{curve.steps} steps", last, [round(w[measure], 3) for w in outcome.watched])

    def _seconds(self, arm: Arm) -> float:
        if arm.group == "questions":
            return self.preset.extra_seconds
        if not arm.long:
            return self.preset.other_seconds
        return self.preset.full_seconds if arm.mode == "full" else self.preset.direct_seconds

    def _view(self, arm: Arm) -> View:
        return self.seeing if arm.mode == "state" else self.planning[arm.mode]

    def _oracle_part(self, arm: Arm) -> Part:
        from vsp_gym_trl.lean.training import Part

        return Part((self._view(arm),), self.preset.rollouts, turns=True, growing=True, one_plan=True)

    def _few_boards(self) -> dict[str, TaskBoards]:
        """A few boards with one plan each, the same number of every task, evenly over sizes."""
        import torch

        few = {}
        for name, task in self.data.items():
            sizes = self.preset.counts[task.book.task.name]
            each = max(1, self.preset.few // len(self.preset.counts) // len(sizes))
            few[name] = task.boards.take(torch.arange(min(each, len(task.boards))))
        return few

    def _score_themes(self, into: dict[str, Any]) -> None:
        """Judge what the model sees on pictures in themes that it was never shown."""
        usual = {name: task.patches for name, task in self.data.items()}
        for theme in HELD_OUT_THEMES:
            for name, task in self.data.items():
                task.patches = self._patches(task.book.task.name, theme, [self.held_out[name]])
            self._waiting.append(
                (into, f"picture -> state, theme {theme}", self.evaluator.start(self.seeing))
            )
        for name, task in self.data.items():
            task.patches = usual[name]

    # ---- boards larger than trained on --------------------------------------------------------------------

    def score_larger(self, outcome: Outcome) -> None:
        """Judge the present model on boards one size larger than it was trained on."""
        from vsp_gym_trl.lean.boards import make_boards, make_prompts
        from vsp_gym_trl.lean.evaluation import Evaluator
        from vsp_gym_trl.lean.training import TaskData, Trainer, View

        mode = outcome.arm["mode"]
        how: dict[str, Any] = {"map_jobs": self.pool.map} if self.pool else {}
        data = {}
        for task, counts in self.preset.counts.items():
            size = max(counts) + 1
            book = make_prompts(task, self.tokenizer)
            asked = (book, self.tokenizer, size, self.preset.held_out, "test")
            boards = make_boards(*asked, distinct=True, walks=0, **how).to(self.device)
            data[f"{task} {size}"] = TaskData(book, boards, self._patches(task, "classic", [boards]))
        trainer = Trainer(self.network, data, self.tokenizer.eos_token_id)
        held_out = {name: task.boards for name, task in data.items()}
        evaluator = Evaluator(trainer, self.tokenizer, held_out, executor=self.pool, batch=_REPLIES)
        for view in (View("student", mode), View("text-student", mode)):
            label = f"{_label(view)}, one size larger"
            self._waiting.append((outcome.scores, label, evaluator.start(view)))

    # ---- everything ---------------------------------------------------------------------------------------

    def run(self, out: Path, data: Path | None = None, base: Path | None = None) -> dict[str, Any]:
        """The whole benchmark; what is known is written after every arm.

        Args:
            out: where results go.
            data: where boards are kept between runs.
            base: where the model that arms start from is kept between runs.
        """
        arms = make_arms(self.preset)
        for kept in (data, base):
            if kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
        self.make_data(data)
        began = time.perf_counter()
        self.prepare()
        self.base(base)
        self.log("the model that arms start from is trained")
        trained, outcome = self.start, None
        for arm in arms:
            self.run_arm(arm)
            if arm.mode == "full" and arm.group == "main":
                trained, outcome = self.network.weights.flat.clone(), self.outcomes[-1]
            self.save(out, time.perf_counter() - began)
        if outcome is not None:
            self.network.weights.load(trained)
            self.score_larger(outcome)
        self.measure_speed()
        self.collect()
        return self.save(out, time.perf_counter() - began)

    def save(self, out: Path, seconds: float) -> dict[str, Any]:
        """Write what is known to `out / "learning.json"`."""
        self._waiting = [item for item in self._waiting if not _take(item)]
        result = {
            "preset": asdict(self.preset),
            "machine": {**machine(), **_device(self.device)},
            "weights": len(self.network.weights),
            "seconds": seconds,
            "stages": self.stages,
            "arms": [asdict(outcome) for outcome in self.outcomes],
        }
        out.mkdir(parents=True, exist_ok=True)
        (out / "learning.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        return result


def _take(item: tuple[dict[str, Any], str, Any]) -> bool:
    """Take a result if it is there."""
    into, label, pending = item
    if not pending.done():
        return False
    into[label] = pending.result()
    return True


def _label(view: View) -> str:
    sees = "picture" if view.sees else "words and plan" if view.shown else "words"
    role = "teacher: " if view.role == "teacher" else ""
    return f"{role}{sees} -> {view.mode}"


def _title(arm: Arm) -> str:
    seed = f", seed {arm.seed}" if arm.seed else ""
    form = ", state then plan" if arm.mode == "full" else ""
    return f"{arm.name}{form}{' + replay' if arm.replay else ''}{seed}"


def _device(device: str) -> dict[str, Any]:
    import torch
    import transformers

    found = {"torch": torch.__version__, "transformers": transformers.__version__}
    if device.startswith("cuda"):
        memory = round(torch.cuda.max_memory_allocated() / 2**30, 1)
        return {**found, "gpu": torch.cuda.get_device_name(), "peak memory in GiB": memory}
    return found


# ---- tables and curves ------------------------------------------------------------------------------------


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _score(scores: Mapping[str, Any], label: str, measure: str) -> float | None:
    found = scores.get(label)
    return None if found is None else float(found[measure]["macro"])


def _lowest(scores: Mapping[str, Any], label: str, measure: str) -> float | None:
    found = scores.get(label)
    return None if found is None else min(value for key, value in found[measure].items() if key != "macro")


def table(result: Mapping[str, Any]) -> str:
    """The main table in Markdown: every arm's plans, and what it kept."""
    heads = (
        "arm",
        "reply",
        "replay",
        "seed",
        "s",
        "optimal",
        "lowest",
        "success",
        "state kept",
        "words kept",
    )
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    base = result["stages"]["base"].get("scores", {})
    rows: list[tuple[str, str, str, str, str, Mapping[str, Any]]] = [
        ("no distillation", mode, "", "", "0", base) for mode in ("direct", "full")
    ]
    for outcome in result["arms"]:
        arm = outcome["arm"]
        if arm["mode"] != "state":
            seconds = f"{outcome['curve'].get('seconds', 0):.0f}"
            replay = "yes" if arm["replay"] else "no"
            rows.append((arm["name"], arm["mode"], replay, str(arm["seed"]), seconds, outcome["scores"]))
    for name, mode, replay, seed, seconds, scores in rows:
        reply, words = f"picture -> {mode}", f"words -> {mode}"
        values = (
            _score(scores, reply, "optimal"),
            _lowest(scores, reply, "optimal"),
            _score(scores, reply, "success"),
            _score(scores, "picture -> state", "state"),
            _score(scores, words, "optimal"),
        )
        kind = {"direct": "plan", "full": "state, plan"}[mode]
        lines.append(f"| {' | '.join((name, kind, replay, seed, seconds, *map(_percent, values)))} |")
    return "\n".join(lines)


def sizes_table(result: Mapping[str, Any]) -> str:
    """What arms start from, and those that are distilled with replay, by task and size, in Markdown."""
    base = result["stages"]["base"].get("scores", {})
    before = [(f"before: {label}", base.get(label)) for label in ("words -> direct", "words -> full")]
    chosen = before + [
        (_title(Arm(**o["arm"])), o["scores"].get(f"picture -> {o['arm']['mode']}"))
        for o in result["arms"]
        if o["arm"]["objective"] == "reverse-kl" and o["arm"]["replay"] and o["arm"]["group"] != "questions"
    ]
    chosen = [(name, found) for name, found in chosen if found]
    if not chosen:
        return ""
    groups = [key for key in chosen[0][1]["optimal"] if key != "macro"]
    heads = [
        group if group.rpartition(" ")[0] != before.rpartition(" ")[0] else group.rpartition(" ")[2]
        for before, group in zip(["", *groups], groups)
    ]
    lines = [f"| optimal, % | {' | '.join(heads)} |", f"|---|{'--:|' * len(groups)}"]
    for name, found in chosen:
        lines.append(f"| {name} | {' | '.join(_percent(found['optimal'][group]) for group in groups)} |")
    return "\n".join(lines)


def questions_table(result: Mapping[str, Any]) -> str:
    """What the main table does not have, in Markdown: teachers, larger boards, and themes."""
    lines = ["| what | measure | % |", "|---|---|--:|"]
    for outcome in [{"arm": None, "scores": result["stages"]["base"].get("scores", {})}, *result["arms"]]:
        arm = Arm(**outcome["arm"]) if outcome["arm"] else None
        for label, found in outcome["scores"].items():
            measure = "state" if "-> state" in label else "optimal"
            seeing = arm is not None and arm.mode == "state"
            if seeing or "teacher" in label or "," in label:
                name = _title(arm) if arm else "the model that arms start from"
                lines.append(f"| {name} | {label}: {measure} | {_percent(found[measure]['macro'])} |")
    return "\n".join(lines)


def charts(result: Mapping[str, Any], out: Path) -> list[Path]:
    """Learning curves of the arms as SVG files, dashed without replay: one for each form of the reply."""
    written = []
    for mode, title in (("direct", "the plan alone"), ("full", "the state, then the plan")):
        chosen = [
            (Arm(**outcome["arm"]), outcome["watched"])
            for outcome in result["arms"]
            if outcome["arm"]["mode"] == mode
            and outcome["arm"]["group"] != "questions"
            and not outcome["arm"]["seed"]
        ]
        names = list(dict.fromkeys(arm.name for arm, _ in chosen))
        series = [
            Series(
                _title(replace(arm, mode="direct")),  # the picture's title tells the form of replies
                [(point["seconds"], 100 * point["optimal"]) for point in watched],
                color=names.index(arm.name),
                dashed=not arm.replay,
            )
            for arm, watched in chosen
        ]
        if any(one.points for one in series):
            path = out / f"learning-{mode}.svg"
            words = f"Optimal plans from a picture, held-out boards, replies are {title}"
            path.write_text(line_chart(words, "seconds of training", "%", series), encoding="utf-8")
            written.append(path)
    return written


def report(result: Mapping[str, Any], out: Path) -> None:
    """Print the tables, and write them and the curves to `out`."""
    text = "\n\n".join(part for part in (table(result), sizes_table(result), questions_table(result)) if part)
    (out / "learning.md").write_text(text + "\n", encoding="utf-8")
    click.echo(text)
    for path in charts(result, out):
        click.echo(f"written: {path}")
    click.echo(f"{result['seconds']:.0f} s after the data were there; {result['machine']}")


def _changed(preset: Preset, changes: Sequence[str]) -> Preset:
    """`preset` with fields changed as `NAME=VALUE` says."""
    types = {f.name: type(getattr(preset, f.name)) for f in fields(preset)}
    values: dict[str, Any] = {}
    for change in changes:
        name, _, value = change.partition("=")
        if types.get(name) not in (int, float, bool, str, tuple, type(None)):
            raise click.BadParameter(f"--set {name}: no such number; there are {', '.join(types)}")
        try:
            values[name] = tuple(value.split(",")) if types[name] is tuple else json.loads(value)
        except json.JSONDecodeError as error:
            raise click.BadParameter(f"--set {change}: {error}") from error
    return replace(preset, **values)


@click.command()
@click.option("--preset", type=click.Choice(list(PRESETS)), default="full", show_default=True)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("learning"), show_default=True
)
@click.option("--device", default=None, help="Where to train; a GPU if there is one.")
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes; one fewer than cores.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Change a number of the preset.")
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keeps boards between runs of one version.",
)
@click.option("--base", type=click.Path(dir_okay=False, path_type=Path), help="Keeps the model between runs.")
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Only report this file; several times, for arms that were run one group after the other.",
)
def command(
    preset: str,
    out: Path,
    device: str | None,
    workers: int | None,
    seed: int,
    changes: tuple[str, ...],
    data: Path | None,
    base: Path | None,
    sources: tuple[Path, ...],
) -> None:
    """Learning from nothing: the modality gap, and how distillation closes it."""
    out.mkdir(parents=True, exist_ok=True)
    if sources:
        first, *others = (json.loads(source.read_text(encoding="utf-8")) for source in sources)
        arms = [arm for result in (first, *others) for arm in result["arms"]]
        report({**first, "arms": arms}, out)
        return
    import os

    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    workers = workers or max(1, (os.cpu_count() or 1) - 1)
    run = Run(_changed(PRESETS[preset], changes), device, workers, seed, compiled=device.startswith("cuda"))
    report(run.run(out, data, base), out)
