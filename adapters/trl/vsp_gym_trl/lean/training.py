"""Losses of batches of boards, and the loop that minimises them for a given time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from vsp_gym.prompts import Role
from vsp_gym_trl.lean.boards import Mode, PromptBook, Ragged, TaskBoards, concatenate
from vsp_gym_trl.lean.graphs import Recorder
from vsp_gym_trl.lean.network import Network
from vsp_gym_trl.lean.sampling import Prompted, Sampler
from vsp_gym_trl.lean.weights import Optimizer, Views, schedule
from vsp_gym_trl.losses import (
    Objective,
    choice_loss,
    hidden_distance,
    led_positions,
    log_probabilities,
    masked_mean,
)

_MULTIPLE = 16
"""Rows and replies are as long as a multiple of this, so that many batches have the same shape."""

_TOKENS = 10.0
"""Losses are sums over a reply's tokens, divided by this: the tokens of a short reply."""

_PLACES = 64
"""Caches are as long as a multiple of this, so that tasks share them."""

_ALIKE = 4
"""Tokens before the last one of a prompt that the prompts of students and teachers share."""

_SPARE = 4
"""Tokens that replies may have beyond the longest right one."""


class View(NamedTuple):
    """How a board is shown and what is asked."""

    role: Role
    """`student` and `perception` see a picture, the others a description."""
    mode: Mode
    shown: bool = False
    """Whether a teacher sees a reference plan."""

    @property
    def sees(self) -> bool:
        """Whether there is a picture."""
        return self.role in ("student", "perception")


PERCEPTION = View("perception", "state")
"""The picture, and the question what it shows."""


class Part(NamedTuple):
    """What a step learns from, in each of its tasks."""

    views: tuple[View, ...]
    """One of these, at random in every step and task; one that comes twice is twice as likely."""
    boards: int
    """Boards of every task, all of one size, which is drawn by the shares."""
    turns: bool = False
    """Whether a step has boards of one task only, drawn by the shares."""
    growing: bool = False
    """Whether larger boards have their turn only after a while; see `Trainer.run`."""
    even: bool = False
    """Whether all have their turn equally often, whatever their shares are."""
    one_plan: bool = False
    """Whether one plan is all that is known of a board; see `Trainer.supervise`."""


@dataclass
class TaskData:
    """All that is known of the boards of a task and size on the device."""

    book: PromptBook
    boards: TaskBoards
    patches: Tensor
    """`[looks, tiles, 4, 768]`, see `tile_patches`."""
    looks: int = 1
    """Of these looks, how many training pictures have."""
    share: float = 1.0
    """How often these boards have their turn, compared to others."""


@dataclass(frozen=True)
class Replies:
    """Replies to some boards of a task and size."""

    name: str
    view: View
    rows: Tensor
    """Which boards."""
    read: Prompted
    """What the network read."""
    replies: Ragged
    """As `Sampler.run` gives them."""


@dataclass
class Curve:
    """What a run did."""

    steps: int = 0
    seconds: float = 0.0
    points: list[dict[str, float]] = field(default_factory=list)
    """By time: seconds, steps and the losses at that time."""


class Trainer:
    """Computes losses for a network on boards of several tasks and sizes.

    A loss is a sum over the tokens of a reply, as in the definition of the method, and a mean over replies: a
    statement that has been learned then does not thin out what is learned of the plan behind it.

    Args:
        network: what is trained.
        data: the boards, by names.
        end: the token that ends a reply.
        seed: of the choice of boards and of the student's samples.
    """

    def __init__(
        self,
        network: Network,
        data: Mapping[str, TaskData],
        end: int,
        *,
        seed: int = 0,
    ) -> None:
        self.network, self.data, self.end = network, data, end
        self._samplers: dict[tuple[int, int, int], Sampler] = {}
        self._recorder = Recorder(network.device, [network.weights.gradient])
        self._constants: dict[tuple[int, ...], Tensor] = {}
        self._lengths: dict[tuple[str, View], int] = {}
        self.tasks: dict[str, list[str]] = {}
        """Names of what there is of each task."""
        for name, one in data.items():
            self.tasks.setdefault(one.book.task.name, []).append(name)
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start the choice of boards and the samples anew."""
        self._random = torch.Generator().manual_seed(seed)
        self._replied: list[Replies] = []
        self._grown = 1.0
        torch.manual_seed(seed)

    def draw(self, boards: TaskBoards, count: int) -> Tensor:
        """Random rows."""
        return torch.randint(len(boards), (count,), generator=self._random)

    # ---- batches ------------------------------------------------------------------------------------------

    def prompts(
        self, task: TaskData, boards: TaskBoards, view: View, rows: Tensor
    ) -> tuple[Ragged, int | None]:
        """The prompts of some boards, and where their pictures begin, if they have any."""
        if view.sees:
            prompt = task.book.picture[view.mode]
            ids = prompt.with_picture(boards.tiles.shape[1])
            return self._constant(ids, len(rows)), len(prompt.head)
        prompt = task.book.text[view.role, view.mode, view.shown]
        parts = [self._constant(prompt.head, len(rows)), boards.descriptions.pick(rows)]
        if view.shown:
            parts.append(boards.references.pick(rows))
        parts.append(self._constant(prompt.tail, len(rows)))
        return concatenate(parts, self._longest_prompt(task, view)), None

    def _constant(self, ids: tuple[int, ...], count: int) -> Ragged:
        """The same tokens for every board."""
        if ids not in self._constants:
            self._constants[ids] = torch.tensor(ids, dtype=torch.int16, device=self.network.device)
        return Ragged(self._constants[ids].expand(count, -1), torch.full((count,), len(ids)))

    def pictures(self, task: TaskData, boards: TaskBoards, rows: Tensor, looks: int = 1) -> Tensor:
        """The patches of some boards, each in one of the first `looks` looks, `[boards, 4 * cells, 768]`."""
        tiles = boards.tiles[rows.to(boards.tiles.device)].long()
        if looks == 1:
            return task.patches[0][tiles].flatten(1, 2)
        look = torch.randint(looks, (len(rows), 1), generator=self._random).to(tiles.device)
        return task.patches[look, tiles].flatten(1, 2)

    def layout(
        self, task: TaskData, view: View, prompts: Ragged, replies: Ragged, tokens: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Prompts and replies as one shape for all batches of a view of these boards.

        Args:
            task, view: what they belong to.
            prompts, replies: the rows.
            tokens: of the longest reply that there can be.

        Returns:
            Tokens `int64[boards, length]`, the places whose hidden states tell the replies' tokens
            `int64[boards, tokens]`, and these tokens, -100 after a reply's end. Both have lengths that are
            rounded up.
        """
        device = self.network.device
        tokens = -(-tokens // _MULTIPLE) * _MULTIPLE
        length = -(-(self._longest_prompt(task, view) + tokens) // _MULTIPLE) * _MULTIPLE
        rows = _tokens(concatenate([prompts, replies], length).ids.long())
        token = torch.arange(tokens)
        places = (prompts.lengths[:, None] - 1 + token).clamp(max=rows.shape[1] - 1)
        counted = (token < replies.lengths[:, None]).to(device, non_blocking=True)
        labels = torch.full((len(rows), tokens), -100, device=device)
        labels[:, : replies.ids.shape[1]] = replies.ids.long()
        return rows, places.to(device, non_blocking=True), labels.masked_fill(~counted, -100)

    def _longest_prompt(self, task: TaskData, view: View) -> int:
        """Tokens of the longest prompt, so that all batches have one shape."""
        if view.sees:
            return len(task.book.picture[view.mode].with_picture(task.boards.tiles.shape[1]))
        key = (f"{task.book.task.name} {task.boards.size}", view)
        if key not in self._lengths:
            boards, prompt = task.boards, task.book.text[view.role, view.mode, view.shown]
            told = boards.descriptions.lengths + (boards.references.lengths if view.shown else 0)
            self._lengths[key] = len(prompt.head) + int(told.max()) + len(prompt.tail)
        return self._lengths[key]

    def logits(
        self, views: Views, rows: Tensor, places: Tensor, patches: Tensor | None = None, at: int | None = None
    ) -> Tensor:
        """The logits that the hidden states at some places give, `[boards, tokens, vocabulary]`."""
        return self.network.logits(views, self.network.hidden(views, rows, places, patches, at))

    # ---- losses -------------------------------------------------------------------------------------------

    def supervise(
        self,
        task: TaskData,
        view: View,
        count: int,
        boards: TaskBoards | None = None,
        *,
        one_plan: bool = False,
    ) -> Tensor:
        """Add the gradients of the loss on replies that a perfect student gives.

        Args:
            task: what is known of the boards.
            view: how boards are shown and what is asked.
            count: boards.
            boards: where they are drawn from; the task's if None.
            one_plan: whether one shortest plan is all that is known of a board, and not what would be as
                right at each of its tokens, and on walks besides.

        Returns:
            The mean over tokens.
        """
        boards = boards or task.boards
        one_plan = one_plan or view.mode == "state"
        rows = self.draw(boards, count)
        plan = torch.randint(1 if one_plan else boards.plans, (count,), generator=self._random)
        prompts, at = self.prompts(task, boards, view, rows)
        replies = boards.replies[view.mode]
        tokens = task.boards.longest(view.mode, taught=True)
        ids, places, labels = self.layout(task, view, prompts, replies.pick(rows, plan), tokens)
        choices = labels[..., None]
        if not one_plan:
            choices = self._choices(boards, view.mode, rows, plan, labels)
        seen = [self.pictures(task, boards, rows, task.looks)] if view.sees else []

        def work(ids: Tensor, places: Tensor, choices: Tensor, patches: Tensor | None = None) -> list[Tensor]:
            counted = choices[..., 0] >= 0
            logits = self.logits(self.network.weights.views, ids, places, patches, at)
            loss = choice_loss(logits, choices, counted, len(ids) * _TOKENS)
            loss.backward()  # type: ignore[no-untyped-call]
            return [loss.detach() * (len(ids) * _TOKENS / counted.sum())]

        (loss,) = self._recorder.run(("supervise", at), work, ids, places, choices, *seen)
        return loss

    @staticmethod
    def _choices(boards: TaskBoards, mode: Mode, rows: Tensor, plan: Tensor, labels: Tensor) -> Tensor:
        """All that is right in the place of each label, `int64[rows, tokens, most]`, -1 for none."""
        assert mode != "state"  # noqa: S101  for the type checker
        numbers = torch.zeros_like(labels, dtype=torch.int32)
        on_device = (index.to(labels.device, non_blocking=True) for index in (rows, plan))
        known = boards.choices[mode][tuple(on_device)][:, : labels.shape[1]]
        numbers[:, : known.shape[1]] = known
        found = boards.sets[numbers.long()]
        found[..., 0] = torch.where(numbers > 0, found[..., 0], labels)
        return found.masked_fill_((labels < 0)[..., None], -1)

    def sampler(self, groups: int, boards: int, places: int) -> Sampler:
        """A sampler for that many boards of that many tasks, made when first needed."""
        places = -(-places // _PLACES) * _PLACES
        key = (groups, boards, places)
        if key not in self._samplers:
            network = self.network
            self._samplers[key] = Sampler(network, network.weights.views, *key, self.end)
        return self._samplers[key]

    def reply(
        self,
        view: View,
        asked: Sequence[tuple[str, Tensor]],
        boards: Mapping[str, TaskBoards],
        *,
        temperature: float = 1.0,
        training: bool = True,
    ) -> list[Replies]:
        """The network's replies to some boards.

        Args:
            view: how boards are shown and what is asked.
            asked: names and which of their boards, as many of each.
            boards: where they are.
            temperature: 0 for the likeliest token every time.
            training: whether pictures have all the looks of training, or the first one only; and whether
                replies that begin with the board's statement are cut where they misstate it.

        Returns:
            For each name the replies.
        """
        groups, limits = [], []
        for name, rows in asked:
            task, some = self.data[name], boards[name]
            prompts, picture_at = self.prompts(task, some, view, rows)
            looks = task.looks if training else 1
            patches = self.pictures(task, some, rows, looks) if view.sees else None
            drafts = None
            limit = self.longest(task, view)
            if training and view.mode == "full":
                drafts = some.statements(rows)
                limit = task.boards.longest_plan + _SPARE
            groups.append(Prompted(prompts, drafts, patches, picture_at))
            limits.append(limit)
        longest = [self.longest(self.data[name], view) for name, _ in asked]
        places = max(group.prompts.ids.shape[1] for group in groups) + max(longest)
        sampler = self.sampler(len(asked), len(asked[0][1]), max(places, self._places(view)))
        found = sampler.run(groups, max(limits), temperature, recorded=training)
        return [
            Replies(name, view, rows, group, Ragged(reply.ids[:, :most], reply.lengths.clamp(max=most)))
            for (name, rows), group, reply, most in zip(asked, groups, found, longest)
        ]

    def _places(self, view: View) -> int:
        """Tokens of the longest prompt and reply to any board, so that one sampler serves all."""
        return max(self._longest_prompt(task, view) + self.longest(task, view) for task in self.data.values())

    def longest(self, task: TaskData, view: View) -> int:
        """Tokens that a reply may have: the longest right one and a few more."""
        return task.boards.longest(view.mode) + _SPARE

    def distill(
        self,
        mode: Mode,
        count: int,
        objective: Objective,
        teacher: Views,
        *,
        shown: bool = False,
        led: bool = False,
        hidden: float = 0.0,
        boards: Mapping[str, TaskBoards] | None = None,
        batches: int = 1,
        names: Sequence[str] = (),
    ) -> dict[str, Tensor]:
        """Add the gradients of the objective on replies that the student samples from pictures.

        Args:
            mode: what the student is asked.
            count: boards, all of one task and size, which are drawn by the shares.
            objective: how far the student is from its teacher.
            teacher: the teacher's weights.
            shown: whether the teacher sees a reference plan.
            led: whether replies count only at `led_positions`, for a teacher that has not learned from walks.
            hidden: the weight of the distance between hidden states, see `hidden_distance`, at the end of the
                prompts, which is the same for both, and at all tokens of the replies.
            boards: where boards are drawn from; all training boards if None.
            batches: for how many calls the student replies at once. A later call then finds replies of a
                student that has since learned from others.
            names: as many as batches, whose boards are drawn instead.

        Returns:
            Means over tokens: `divergence`, `dead` positions and the distance of `hidden` states, 0 without a
            weight; and the `tokens` of a reply.
        """
        boards = boards or {name: task.boards for name, task in self.data.items()}
        view = View("student", mode)
        if not self._replied or self._replied[-1].view != view:
            names = names or [self._turn(list(self.data), growing=True) for _ in range(batches)]
            asked = [(name, self.draw(boards[name], count)) for name in names]
            self._replied = self.reply(view, asked, boards)
        some = self._replied.pop()
        teaching = View("teacher", mode, shown)
        numbers = self._distill(some, boards[some.name], teaching, objective, teacher, led=led, hidden=hidden)
        return dict(zip(("divergence", "dead", "tokens", "hidden"), numbers))

    def _distill(
        self,
        some: Replies,
        boards: TaskBoards,
        teaching: View,
        objective: Objective,
        teacher: Views,
        *,
        led: bool,
        hidden: float,
    ) -> list[Tensor]:
        """Add the gradients of some replies."""
        task, at = self.data[some.name], some.read.picture_at
        view = some.view
        told, _ = self.prompts(task, boards, teaching, some.rows)
        longest = self.longest(task, view)
        own = self.layout(task, view, some.read.prompts, some.replies, longest)
        others = self.layout(task, teaching, told, some.replies, longest)[:2]

        def work(
            ids: Tensor, places: Tensor, labels: Tensor, patches: Tensor, told: Tensor, told_places: Tensor
        ) -> list[Tensor]:
            own_states: list[Tensor] | None = [] if hidden else None
            its_states: list[Tensor] | None = [] if hidden else None
            before = torch.arange(-_ALIKE if hidden else 0, 0, device=ids.device)
            with torch.no_grad():
                told_places = torch.cat([told_places[:, :1] + before, told_places], 1)
                read = self.network.hidden(teacher, told, told_places, states=its_states)
                teacher_logits = self.network.logits(teacher, read[:, len(before) :])
            views = self.network.weights.views
            own_places = torch.cat([places[:, :1] + before, places], 1)
            seen = self.network.hidden(views, ids, own_places, patches, at, states=own_states)
            logits = self.network.logits(views, seen[:, len(before) :])
            found = objective.per_token(logits, teacher_logits, labels.clamp(min=0))
            counted = labels >= 0
            if led:
                counted &= led_positions(log_probabilities(teacher_logits), labels.clamp(min=0))
            loss = masked_mean(found.loss, counted, len(ids) * _TOKENS)
            if own_states and its_states:
                distance = torch.stack(list(map(hidden_distance, own_states, its_states))).mean(0)
                everywhere = torch.cat([counted.new_ones(len(ids), len(before)), labels >= 0], 1)
                loss = loss + hidden * masked_mean(distance, everywhere, len(ids) * _TOKENS)
            loss.backward()  # type: ignore[no-untyped-call]
            return [
                masked_mean(found.divergence, counted),
                masked_mean(found.dead.float(), counted),
                counted.sum() / len(ids),
                masked_mean(distance, everywhere).detach() if own_states else loss.new_zeros(()),
            ]

        assert some.read.patches is not None  # noqa: S101  for the type checker: students see
        key = ("distill", objective, led, hidden, id(teacher), at)
        return self._recorder.run(key, work, *own, some.read.patches, *others)

    # ---- the loop -----------------------------------------------------------------------------------------

    def learn(
        self, parts: Sequence[Part], boards: Mapping[str, TaskBoards] | None = None
    ) -> dict[str, Tensor]:
        """Add the gradients of supervised parts; returns the losses, means over what was drawn."""
        losses: dict[str, list[Tensor]] = {}
        for part in parts:
            sets = [list(self.data)] if part.turns else self.tasks.values()
            for name in [self._turn(names, growing=part.growing, even=part.even) for names in sets]:
                view = part.views[self._pick([1.0] * len(part.views))]
                loss = self.supervise(
                    *(self.data[name], view, part.boards, (boards or {}).get(name)), one_plan=part.one_plan
                )
                losses.setdefault(f"{'picture' if view.sees else 'words'} {view.mode}", []).append(loss)
        return {key: torch.stack(values).mean() for key, values in losses.items()}

    def _turn(self, names: Sequence[str], *, growing: bool, even: bool = False) -> str:
        """Whose boards have their turn."""
        found = [name for name in names if not growing or self._since(name) <= self._grown]
        return found[self._pick([1.0 if even else self.data[name].share for name in found])]

    def _since(self, name: str) -> float:
        """When boards come in as larger ones are added: 0 for a task's smallest boards, 1 for its largest."""
        data = self.data[name]
        smaller = sorted(self.data[other].boards.size for other in self.tasks[data.book.task.name])
        return smaller.index(data.boards.size) / max(1, len(smaller) - 1)

    def _pick(self, shares: Sequence[float]) -> int:
        return int(torch.multinomial(torch.tensor(shares, dtype=torch.float64), 1, generator=self._random))

    def rounds(self, batches: int) -> list[list[str]]:
        """All names, in lists of so many."""
        names = list(self.data)
        padded = [*names, *names[: -len(names) % batches]]
        return [padded[start : start + batches] for start in range(0, len(padded), batches)]

    def warm_up(self, parts: Sequence[Part]) -> None:
        """Go once through all that the parts may ask for, so that everything is recorded; changes nothing."""
        for part in parts:
            for view in dict.fromkeys(part.views):
                for task in self.data.values():
                    self.supervise(task, view, part.boards, one_plan=part.one_plan)
        self.network.weights.gradient.zero_()

    def run(
        self,
        step: Callable[[], dict[str, Tensor]],
        *,
        seconds: float = float("inf"),
        steps: int | None = None,
        rate: float,
        muon: bool = True,
        growth: float = 0.0,
        every: int = 20,
        watch: Callable[[Curve], None] | None = None,
        watches: Sequence[float] = (),
    ) -> Curve:
        """Minimise what `step` adds gradients of.

        The first step, in which layers are compiled, is done twice and its time not counted.

        Args:
            step: adds gradients to the weights and returns numbers to be noted.
            seconds: how long; what `watch` takes does not count.
            steps: at most this many.
            rate: highest learning rate.
            muon: see `Optimizer`.
            growth: the share of the run in which larger boards are added to a task's smallest, where a part
                asks for it and in distillation: what is learned on small boards soon holds on larger ones.
            every: steps between two points of the curve.
            watch: called at the given shares of the run.
            watches: shares of 0 to 1, ascending.
        """
        weights = self.network.weights
        optimizer = Optimizer(weights, rate, muon=muon)
        weights.gradient.zero_()
        step()
        weights.gradient.zero_()
        curve, waiting = Curve(), list(watches)
        began = self._now()
        limit = steps or 1 << 60
        while True:
            progress = max((time.perf_counter() - began) / seconds, curve.steps / limit)
            if watch and waiting and progress >= waiting[0]:
                paused = self._now()
                curve.seconds = paused - began
                waiting.pop(0)
                watch(curve)
                began += self._now() - paused
            if progress >= 1:
                break
            self._grown = progress / growth if growth else 1.0
            numbers = step()
            optimizer.step(schedule(progress))
            curve.steps += 1
            if curve.steps % every == 0:
                now = self._now() - began
                point = {key: float(value) for key, value in numbers.items()}
                curve.points.append({"seconds": now, "steps": curve.steps, **point})
        self._grown = 1.0
        curve.seconds = self._now() - began
        return curve

    def seconds(self, work: Callable[[], object]) -> float:
        """How long some work takes."""
        began = self._now()
        work()
        return self._now() - began

    def _now(self) -> float:
        """The time when the device has done all that it was told."""
        if self.network.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def _tokens(ids: Tensor) -> Tensor:
    """The tokens of `ids`, be they learned or given."""
    return torch.where(ids < 0, ~ids, ids)
