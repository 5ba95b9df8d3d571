"""On-policy context distillation on TRL's `DistillationTrainer`.

The student sees a picture and samples a reply. A frozen teacher reads the same board in words, then the
student's own tokens, and the student is moved towards what the teacher would have written at each of them
(MGSD, arXiv 2606.06076; arXiv 2602.12275). TRL samples, schedules, saves and spreads over GPUs; what it
lacks is here: a teacher with another prompt, the objectives of `vsp_gym_trl.losses`, replay of what the model
can do already, and rewards by the simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from accelerate.utils import is_peft_model
from datasets import Dataset
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from trl import DistillationConfig, DistillationTrainer
from trl.trainer.utils import RepeatSampler, pad, use_adapter

from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.scoring import score_reply
from vsp_gym_trl.data import CELL, OpcdRow, open_image, read_board
from vsp_gym_trl.losses import Objective, cross_entropy, hidden_distance
from vsp_gym_trl.processing import ImageProcessor
from vsp_gym_trl.sft import RowCollator, lora_config
from vsp_gym_trl.training import (
    LOGGING,
    BoardEvaluation,
    BoardTrainer,
    check_resume,
    freeze_vision,
    read_messages,
    save_final,
)

CUT_WARNING = 0.05
"""Share of replies that the limit may cut before it is said aloud."""

_REPLAY_STREAM = 17
"""Stream of random numbers that chooses what is replayed."""


@dataclass
class OpcdConfig(DistillationConfig):  # type: ignore[misc]
    """`DistillationConfig` with what context distillation adds. `beta` belongs to `objective="jsd"` here."""

    _name = "VSP-Gym OPCD"

    objective: str = field(default="reverse-kl", metadata={"help": "A key of vsp_gym_trl.losses.OBJECTIVES."})
    beta: float = field(default=0.5, metadata={"help": "The teacher's share in the mixture of jsd."})
    objective_top_k: int = field(
        default=32, metadata={"help": "Tokens that the objective top-k tells apart."}
    )
    forward_share: float = field(default=0.0, metadata={"help": "Share of forward KL mixed in everywhere."})
    guard: bool = field(default=True, metadata={"help": "Forward KL where the student is dead; see losses."})
    hidden_weight: float = field(
        default=0.0,
        metadata={"help": "Weight of the distance between the hidden states of all layers on the replies."},
    )
    teacher_from_base: bool = field(
        default=False, metadata={"help": "The teacher is the student without its adapters."}
    )
    replay_weight: float = field(default=1.0, metadata={"help": "Weight of the replay's loss."})
    min_new_tokens: int = field(default=1, metadata={"help": "Fewest tokens of a sampled reply."})
    chunk_tokens: int = field(
        default=1024,
        metadata={"help": "Positions whose logits are in memory at a time, for large vocabularies."},
    )

    def __post_init__(self) -> None:
        others: dict[str, Any] = getattr(self, "generation_kwargs", None) or {}
        self.generation_kwargs: Any = {"min_new_tokens": self.min_new_tokens, **others}
        super().__post_init__()
        if not isinstance(self.guard, bool):
            raise VSPGymError(f"guard must be true or false, not {self.guard!r:.40}")
        self.to_objective()
        for name in ("replay_weight", "hidden_weight"):
            if getattr(self, name) < 0:
                raise VSPGymError(f"{name} must not be negative, not {getattr(self, name)!r}")

    def to_objective(self) -> Objective:
        """The objective; raises `VSPGymError` for values out of range."""
        return Objective(
            self.objective,
            beta=self.beta,
            top_k=self.objective_top_k,
            temperature=self.temperature,
            forward_share=self.forward_share,
            guard=self.guard,
        )


@dataclass(frozen=True)
class OpcdPreset:
    """Settings of a distillation that belong together."""

    about: str
    lora_rank: int | None
    """Rank of the adapters; None trains all weights, and needs a teacher of its own."""
    frozen_vision: bool
    cell_pixels: int | None
    """Pixels of a cell in drawn pictures; None takes the pictures of the data set."""
    arguments: Mapping[str, Any]
    """Fields of `OpcdConfig`."""


PRESETS: Mapping[str, OpcdPreset] = MappingProxyType(
    {
        "lora": OpcdPreset(
            "Qwen3-VL-4B and 8B with adapters, which fits one GPU; a batch of 32",
            lora_rank=8,
            frozen_vision=True,
            cell_pixels=None,
            arguments={
                "learning_rate": 1e-5,
                "lr_scheduler_type": "constant",
                "num_train_epochs": 1,
                "per_device_train_batch_size": 4,
                "gradient_accumulation_steps": 8,
                "gradient_checkpointing": True,
                "bf16": True,
                "max_completion_length": 2048,
            },
        ),
        "mgsd": OpcdPreset(
            "MGSD's training of all weights, its teacher the model before SFT; a batch of 32 on eight GPUs",
            lora_rank=None,
            frozen_vision=False,
            cell_pixels=None,
            arguments={
                "learning_rate": 1e-6,
                "lr_scheduler_type": "constant",
                "weight_decay": 0.01,
                "num_train_epochs": 5,
                "per_device_train_batch_size": 4,
                "gradient_checkpointing": True,
                "bf16": True,
                "max_completion_length": 2048,
            },
        ),
        "tiny": OpcdPreset(
            "models of `vsp-gym-trl build-tiny`",
            lora_rank=None,
            frozen_vision=False,
            cell_pixels=CELL,
            arguments={
                "learning_rate": 3e-4,
                "lr_scheduler_type": "cosine",
                "warmup_steps": 10,
                "adam_beta2": 0.98,
                "num_train_epochs": 1,
                "per_device_train_batch_size": 32,
                "gradient_checkpointing": False,
                "bf16": False,
                "max_completion_length": 64,
            },
        ),
    }
)


def get_preset(name: str) -> OpcdPreset:
    """The preset of that name; raises `UnknownNameError` for any other."""
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]


Replays = Mapping[str, tuple[Dataset, float]]
"""Name -> rows and how many of them are replayed for each row of distillation."""

Reward = Callable[[str, str], float]
"""The board (`OpcdRow.board`) and a reply -> reward."""


def plan_reward(board: str, reply: str) -> float:
    """1.0 for a shortest plan, 0.5 for a longer one that succeeds, else 0.0, by the simulator."""
    task, layout = read_board(board)
    score = score_reply(task, layout, reply)
    return 1.0 if score.optimal else 0.5 if score.success else 0.0


class _EpochSampler(RepeatSampler):  # type: ignore[misc]
    """TRL's order of rows, which in every epoch depends on the seed and the epoch alone.

    TRL's own goes on from the epochs before it, so that a resumed run would begin with the first one's again.
    """

    _epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called at the beginning of every epoch, also of one that a resumed run begins with."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            self.generator.manual_seed(self.seed + self._epoch)
        return super().__iter__()  # type: ignore[no-any-return]


class OpcdTrainer(BoardTrainer, DistillationTrainer):  # type: ignore[misc]
    """`DistillationTrainer` whose teacher reads `teacher_prompt` before the student's own tokens.

    Args:
        args: an `OpcdConfig`.
        replays: what the student also learns from, so that it does not forget it: by name, rows of
            `to_dataset(sft_rows(...))` and how many of them there are for each row of distillation.
        reward: logged as `reward`; trained on with weight `reward_weight`.
        reward_weight: weight of a policy gradient on the reward, its mean over the batch subtracted.
        others: as for `DistillationTrainer`.
    """

    _tag_names = ["trl", "opcd"]
    _name = "OPCD"

    def __init__(
        self,
        *,
        args: OpcdConfig,
        replays: Replays | None = None,
        reward: Reward | None = plan_reward,
        reward_weight: float = 0.0,
        **others: Any,
    ) -> None:
        super().__init__(args=args, **others)
        batch = self._get_train_sampler().batch_size
        if len(self.train_dataset) < batch:
            raise VSPGymError(
                f"{len(self.train_dataset)} boards are fewer than a step takes: {batch}, the batch of all "
                "devices and accumulated steps"
            )
        if args.teacher_from_base and not is_peft_model(self.model):
            raise VSPGymError("teacher_from_base needs a student with adapters; name a teacher instead")
        if args.teacher_from_base == (self.teacher_model is not None):
            raise VSPGymError("give either a teacher or teacher_from_base")
        if self.teacher_model is not None:
            self.teacher_model.requires_grad_(False)
            if args.hidden_weight:
                check_layers(self.accelerator.unwrap_model(self.model), self.teacher_model)
        self.objective = args.to_objective()
        self.reward, self.reward_weight = reward, reward_weight
        for name, (_, share) in (replays or {}).items():
            if not 0 <= share < float("inf"):
                raise VSPGymError(f"the share of the replay {name} must be 0 or more, not {share}")
        self._replays = {name: given for name, given in (replays or {}).items() if given[1] > 0}
        self._collate_replay = RowCollator(self.processing_class)
        self._warned = False

    def _get_train_sampler(self, dataset: Dataset | None = None) -> _EpochSampler:
        theirs = super()._get_train_sampler(dataset)
        return _EpochSampler(
            theirs.data_source,
            theirs.mini_repeat_count,
            theirs.batch_size,
            theirs.repeat_count,
            theirs.shuffle,
            theirs.seed,
        )

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["prompt", "image", "teacher_prompt", "board", "theme", "reply"]

    # -- what student and teacher are given --------------------------------------------------------

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Sample replies; add the teacher's prompts: `teacher_ids`, `teacher_mask` `int64[rows, tokens]`."""
        rows = [
            OpcdRow(
                **{
                    **row,
                    "prompt": read_messages(row["prompt"]),
                    "teacher_prompt": read_messages(row["teacher_prompt"]),
                }
            )
            for row in inputs
        ]
        output: dict[str, Any] = super()._generate_and_score_completions(
            [{"prompt": row.prompt, "image": open_image(row.image)} for row in rows]
        )
        device = self.accelerator.device
        encoded = [torch.tensor(ids) for ids in self._encode_teacher([row.teacher_prompt for row in rows])]
        padding = self._tokenizer.pad_token_id
        output["teacher_ids"] = pad(encoded, padding_value=padding, padding_side="left").to(device)
        ones = [torch.ones_like(ids) for ids in encoded]
        output["teacher_mask"] = pad(ones, padding_value=0, padding_side="left").to(device)
        self._watch_lengths()
        if self.reward is not None:
            replies = self._tokenizer.batch_decode(output["completion_ids"], skip_special_tokens=True)
            rewards = [self.reward(row.board, reply) for row, reply in zip(rows, replies)]
            self._log_metric("reward", float(np.mean(rewards)))
            output["reward"] = torch.tensor(rewards, device=device)
        return output

    def _encode_teacher(self, prompts: list[Any]) -> list[list[int]]:
        texts = self.processing_class.apply_chat_template(prompts, tokenize=False, add_generation_prompt=True)
        found: list[list[int]] = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        return found

    def _watch_lengths(self) -> None:
        """Say once that replies are cut, if many are."""
        cut = self._metrics["train" if self.model.training else "eval"]["completions/clipped_ratio"]
        if self._warned or not cut or cut[-1] <= CUT_WARNING:
            return
        self._warned = True
        self.accelerator.print(
            f"Warning: {cut[-1]:.0%} of the replies reach max_completion_length {self.max_completion_length} "
            "and are cut; a cut reply has no answer"
        )

    def _log_metric(self, name: str, value: float) -> None:
        self._metrics["train" if self.model.training else "eval"][name].append(value)

    # -- the loss ----------------------------------------------------------------------------------

    def _teacher(self, student: Any) -> tuple[Any, AbstractContextManager[Any]]:
        """The teacher, and what must be entered while it runs."""
        if self.args.teacher_from_base:
            return student, use_adapter(student, adapter_name=None)
        return self.accelerator.unwrap_model(self.teacher_model), nullcontext()

    def _hidden(
        self, model: Any, ids: Tensor, mask: Tensor, keep: int, **pictures: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """What the last layer gives for the last `keep` tokens; and what each layer does, if that counts."""
        states: list[Tensor] = []

        def note(_layer: Any, _given: Any, output: Any) -> None:
            whole = output[0] if isinstance(output, tuple) else output
            states.append(whole[:, -keep - 1 : -1])

        layers = _layers(model) if self.args.hidden_weight else ()
        hooks = [layer.register_forward_hook(note) for layer in layers]
        try:
            found: Tensor = self._get_last_hidden_state(model, ids, mask, keep, **pictures)
        finally:
            for hook in hooks:
                hook.remove()
        return found, states

    def _compute_loss(
        self, unwrapped_student: Any, inputs: dict[str, Any], num_items_in_batch: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The objective on the student's tokens, and the replay's; also the entropy's sum and the tokens."""
        ids, mask = inputs["completion_ids"], inputs["completion_mask"]
        keep = ids.size(1)
        pictures = {
            name: inputs[name]
            for name in ("pixel_values", "image_grid_thw", "mm_token_type_ids")
            if name in inputs
        }
        student, own_states = self._hidden(
            unwrapped_student,
            torch.cat([inputs["prompt_ids"], ids], 1),
            torch.cat([inputs["prompt_mask"], mask], 1),
            keep,
            **pictures,
        )
        teacher_model, entered = self._teacher(unwrapped_student)
        training = teacher_model.training
        with torch.no_grad(), entered:
            teacher_model.eval()
            teacher, its_states = self._hidden(
                teacher_model,
                torch.cat([inputs["teacher_ids"], ids], 1),
                torch.cat([inputs["teacher_mask"], mask], 1),
                keep,
            )
            teacher_head = teacher_model.get_output_embeddings()
        teacher_model.train(training)
        counted = mask.bool()
        reward = inputs.get("reward") if self.reward_weight else None
        advantage = None if reward is None else (reward - reward.mean())[:, None].expand_as(mask)[counted]
        sums = self._token_sums(
            student[counted],
            teacher[counted],
            ids[counted],
            advantage,
            unwrapped_student.get_output_embeddings(),
            teacher_head,
        )
        tokens = counted.sum()
        total = tokens.clamp(min=1) if num_items_in_batch is None else num_items_in_batch
        loss = sums[0] / total
        if own_states:
            pairs = zip(own_states, its_states, strict=True)
            distances = [hidden_distance(own[counted], its[counted]).sum() for own, its in pairs]
            distance = torch.stack(distances).mean()
            loss = loss + self.args.hidden_weight * distance / total
            self._log_metric("hidden", float(distance.detach() / tokens.clamp(min=1)))
        with torch.no_grad():
            self._log_metric("divergence", float(sums[1] / tokens.clamp(min=1)))
            self._log_metric("dead", float(sums[3] / tokens.clamp(min=1)))
        if self._replays and self.args.replay_weight and self.model.training:
            replayed = self._replay_loss(unwrapped_student)
            loss = loss + replayed / self.current_gradient_accumulation_steps
        return loss, sums[2].detach(), tokens

    def _token_sums(
        self,
        student: Tensor,
        teacher: Tensor,
        ids: Tensor,
        advantage: Tensor | None,
        student_head: Any,
        teacher_head: Any,
    ) -> Tensor:
        """Sums over tokens of loss, divergence, entropy and dead positions, `[4]`; logits chunk by chunk."""

        def chunk(student: Tensor, teacher: Tensor, ids: Tensor, advantage: Tensor | None) -> Tensor:
            logits = student_head(student)
            with torch.no_grad():
                teacher_logits = teacher_head(teacher)
            found = self.objective.per_token(logits, teacher_logits, ids)
            loss = found.loss
            if advantage is not None:
                chosen = torch.log_softmax(logits.float(), -1).gather(-1, ids[:, None])[:, 0]
                loss = loss - self.reward_weight * advantage * torch.exp(chosen - chosen.detach())
            return torch.stack([loss.sum(), found.divergence.sum(), found.entropy.sum(), found.dead.sum()])

        total = torch.zeros(4, device=student.device)
        for start in range(0, len(ids), self.args.chunk_tokens):
            part = slice(start, start + self.args.chunk_tokens)
            given = None if advantage is None else advantage[part]
            total = total + checkpoint(
                chunk, student[part], teacher[part], ids[part], given, use_reentrant=False
            )
        return total

    def _replay_loss(self, student: Any) -> Tensor:
        """Cross-entropy on replayed rows: the same ones for the same step, also after a resume."""
        place = self.state.global_step, self._step % self.current_gradient_accumulation_steps
        rng = np.random.default_rng([self.args.seed, _REPLAY_STREAM, *place, self.accelerator.process_index])
        model = student.base_model.model if is_peft_model(student) else student
        losses = []
        for name, (rows, share) in self._replays.items():
            count = max(1, round(share * self.args.per_device_train_batch_size))
            chosen = rng.integers(len(rows), size=count).tolist()
            batch = self._collate_replay([rows[index] for index in chosen])
            batch = {key: values.to(self.accelerator.device) for key, values in batch.items()}
            labels = batch.pop("labels")
            logits = model(**batch, use_cache=False).logits
            losses.append(cross_entropy(logits[:, :-1], labels[:, 1:]))
            self._log_metric(f"replay/{name}", float(losses[-1].detach()))
        weight: float = self.args.replay_weight
        return weight * torch.stack(losses).sum()


def _layers(model: Any) -> Any:
    """The layers of a model's language model, with or without adapters."""
    whole = model.base_model.model if is_peft_model(model) else model
    return whole.model.language_model.layers


def check_layers(student: Any, teacher: Any) -> None:
    """Check that each layer of a student has one of the teacher to be led to.

    Raises:
        VSPGymError: if they differ in number or width.
    """
    shapes = [
        (len(_layers(model)), model.config.get_text_config().hidden_size) for model in (student, teacher)
    ]
    if shapes[0] != shapes[1]:
        ours, theirs = (f"{layers} layers of {width}" for layers, width in shapes)
        raise VSPGymError(
            f"hidden_weight needs a teacher of the student's architecture; the student has {ours}, the "
            f"teacher {theirs}"
        )


def check_teacher(student: ImageProcessor, teacher: ImageProcessor) -> None:
    """Check that two models share their tokens, so that each one's replies mean the same to the other.

    Raises:
        VSPGymError: if they do not, with the first token that differs.
    """
    ours, theirs = student.tokenizer.get_vocab(), teacher.tokenizer.get_vocab()
    if ours == theirs:
        return
    token = min(
        (token for token in {*ours, *theirs} if ours.get(token) != theirs.get(token)),
        key=lambda token: ours.get(token, theirs.get(token, 0)),
    )
    raise VSPGymError(
        f"student and teacher have different tokenizers: {token!r:.60} is token {ours.get(token)} of the "
        f"student and {theirs.get(token)} of the teacher"
    )


def make_opcd_trainer(
    student: PreTrainedModel,
    teacher: PreTrainedModel | None,
    processor: ImageProcessor,
    rows: Dataset,
    out: str | Path,
    *,
    preset: str | OpcdPreset = "lora",
    replays: Replays | None = None,
    evaluation: BoardEvaluation | None = None,
    reward_weight: float = 0.0,
    **arguments: Any,
) -> OpcdTrainer:
    """A trainer that is ready to `train()`.

    Args:
        student: the model that is trained in place.
        teacher: a frozen model with the same tokens; None takes the student without its adapters.
        processor: the student's processor.
        rows: what `to_dataset(opcd_rows(...))` gave.
        out: folder of the checkpoints.
        preset: a key of `PRESETS`, or settings.
        replays: see `OpcdTrainer`.
        evaluation: how to evaluate when the arguments say so (`eval_strategy`, `eval_steps`).
        reward_weight: see `OpcdTrainer`.
        arguments: fields of `OpcdConfig` that replace the preset's.
    """
    settings = get_preset(preset) if isinstance(preset, str) else preset
    if settings.frozen_vision:
        freeze_vision(student)
    values = {**LOGGING, **settings.arguments, **arguments}
    values["teacher_from_base"] = teacher is None
    config = OpcdConfig(output_dir=str(out), **values)
    rank = settings.lora_rank or (8 if teacher is None else None)
    trainer = OpcdTrainer(
        model=student,
        teacher_model=teacher,
        args=config,
        train_dataset=rows,
        eval_dataset=rows.select([0]) if config.eval_strategy != "no" else None,
        processing_class=processor,
        replays=replays,
        reward_weight=reward_weight,
        peft_config=None if rank is None else lora_config(rank),
    )
    trainer.board_evaluation = evaluation
    return trainer


def run_opcd(trainer: OpcdTrainer, *, resume: bool = False) -> dict[str, float]:
    """Train, and write the student and its processor to the trainer's folder; see `run_sft`."""
    found = trainer.train(resume_from_checkpoint=check_resume(trainer.args.output_dir, resume))
    save_final(trainer)
    return dict(found.metrics)
