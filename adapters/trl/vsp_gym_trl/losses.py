r"""How far a student is from its teacher on the student's own tokens: pure functions of logits.

All take logits `[..., vocabulary]` of the two models at the same positions and return one number for each
position, `[...]`, in nats. Gradients flow to the student only. Computation is in float32 (float64 stays).
Positions that do not count are dropped by `masked_mean`, not before.

| objective | what it is | source |
|---|---|---|
| `reverse-kl` | KL(student \|\| teacher), on all tokens | context distillation, arXiv 2602.12275 |
| `forward-kl` | KL(teacher \|\| student) | |
| `jsd` | generalised Jensen-Shannon divergence | GKD, arXiv 2306.13649 |
| `top-k` | reverse KL over the student's `k` likeliest tokens and the rest as one | |
| `sampled` | a policy gradient on the sampled token alone | MGSD, arXiv 2606.06076 |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from vsp_gym.errors import UnknownNameError, VSPGymError

FLOOR = -1e4
"""Lowest log-probability: that of a token which a model excludes. Its probability is 0 all the same."""

CERTAIN = 0.99
"""A student that gives a token more than this is certain of it."""

REJECTED = 0.01
"""A teacher that gives a token less than this rejects it."""


def log_probabilities(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """`log_softmax` over the last dimension, in at least float32, and at least `FLOOR`."""
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    return torch.log_softmax(logits if temperature == 1.0 else logits / temperature, dim=-1).clamp(min=FLOOR)


def _kl(left: Tensor, right: Tensor) -> Tensor:
    """KL(left || right) of log-probabilities."""
    return (left.exp() * (left - right)).sum(-1)


def reverse_kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(student || teacher) of log-probabilities `[..., vocabulary]`."""
    return _kl(student, teacher.detach())


def forward_kl(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of log-probabilities `[..., vocabulary]`."""
    return _kl(teacher.detach(), student)


def jensen_shannon(student: Tensor, teacher: Tensor, beta: float = 0.5) -> Tensor:
    """`beta * KL(teacher || m) + (1 - beta) * KL(student || m)`, `m = beta * teacher + (1 - beta) * student`.

    As in GKD and TRL; 0.5 is the Jensen-Shannon divergence. Divided by `beta`, the limit for `beta` towards 0
    is the forward KL; divided by `1 - beta`, that for `beta` towards 1 is the reverse KL.

    Raises:
        VSPGymError: unless `0 < beta < 1`.
    """
    if not 0 < beta < 1:
        raise VSPGymError(f"beta must be between 0 and 1 (exclusive), not {beta!r}")
    teacher = teacher.detach()
    mixture = torch.logaddexp(student + math.log1p(-beta), teacher + math.log(beta))
    return beta * _kl(teacher, mixture) + (1 - beta) * _kl(student, mixture)


def top_k_kl(student: Tensor, teacher: Tensor, k: int) -> Tensor:
    """Reverse KL after all tokens but the student's `k` likeliest have been joined into one outcome.

    Never more than `reverse_kl`, and equal to it for `k` of at least the vocabulary less one.

    Raises:
        VSPGymError: unless `k` is at least 1.
    """
    if k < 1:
        raise VSPGymError(f"top_k must be at least 1, not {k!r}")
    if k >= student.shape[-1] - 1:
        return reverse_kl(student, teacher)
    chosen = student.detach().topk(k, dim=-1).indices
    return reverse_kl(_joined(student, chosen), _joined(teacher, chosen))


def _joined(log_probs: Tensor, chosen: Tensor) -> Tensor:
    """The log-probabilities of the chosen tokens, and of all others together: `[..., k + 1]`."""
    others = log_probs.scatter(-1, chosen, -math.inf).logsumexp(-1, keepdim=True)
    return torch.cat([log_probs.gather(-1, chosen), others], dim=-1)


def sampled_policy_gradient(student: Tensor, teacher: Tensor, ids: Tensor) -> Tensor:
    """MGSD's objective: the advantage `log teacher(y) - log student(y)` of the sampled token `y`.

    The value is the sampled estimate of the reverse KL, `log student(y) - log teacher(y)`; the gradient is
    `-advantage * grad log student(y)`, whose expectation over `y` is the gradient of the reverse KL.

    Args:
        student: log-probabilities `[..., vocabulary]`.
        teacher: the same of the teacher.
        ids: the sampled tokens, `int64[...]`.
    """
    chosen = student.gather(-1, ids[..., None])[..., 0]
    advantage = teacher.detach().gather(-1, ids[..., None])[..., 0] - chosen.detach()
    return -advantage * torch.exp(chosen - chosen.detach())


def dead_positions(student: Tensor, teacher: Tensor) -> Tensor:
    """`bool[...]`: where the student is certain of a token that the teacher rejects.

    There the gradients of reverse KL, JSD and the policy gradient vanish with the student's other
    probabilities: a student that is certain to stop early never learns to go on. The forward KL's does not.
    """
    confidence, token = student.detach().max(-1)
    accepted = teacher.detach().gather(-1, token[..., None])[..., 0]
    return (confidence > math.log(CERTAIN)) & (accepted < math.log(REJECTED))


def led_positions(teacher: Tensor, ids: Tensor) -> Tensor:
    """`bool[..., tokens]`: up to the first token of each reply that the teacher rejects, and that one.

    What a student writes after such a token is unlike anything that its teacher has learned from, so what the
    teacher says of it is noise: an agent that has fallen into a hole, say, needs no advice.

    Args:
        teacher: log-probabilities `[..., tokens, vocabulary]`.
        ids: the student's tokens, `int64[..., tokens]`.
    """
    rejected = teacher.detach().gather(-1, ids[..., None])[..., 0] < math.log(REJECTED)
    return rejected.long().cumsum(-1) - rejected.long() == 0


def hidden_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """How far hidden states are from a teacher's, `[...]`: squared, relative to the teacher's square.

    Where a student has its teacher's architecture and began as its teacher, all that it lacks is what the
    teacher has read. Then each of its layers may be led to what the teacher's layer gives at the same token:
    that tells the student far more than the distribution over the next token does.

    Args:
        student: `[..., width]`; gradients flow here.
        teacher: the same of the teacher.
    """
    teacher = teacher.detach().float()
    scale = teacher.square().sum(-1).clamp(min=1e-6)
    return (student.float() - teacher).square().sum(-1) / scale


@dataclass(frozen=True)
class Objective:
    """What a student is trained to minimise.

    Raises:
        UnknownNameError: for an unknown name.
        VSPGymError: for a number out of its range.
    """

    name: str = "reverse-kl"
    """A key of `OBJECTIVES`."""
    beta: float = 0.5
    """The teacher's share in the mixture of `jsd`, 0 to 1 (exclusive)."""
    top_k: int = 32
    """Tokens that `top-k` tells apart."""
    temperature: float = 1.0
    """Both models' logits are divided by this."""
    forward_share: float = 0.0
    """Share of forward KL that is mixed in everywhere, 0 to 1."""
    guard: bool = True
    """Whether the forward KL takes over at `dead_positions`."""

    def __post_init__(self) -> None:
        if self.name not in OBJECTIVES:
            raise UnknownNameError("objective", self.name, OBJECTIVES)
        if not 0 < self.beta < 1:
            raise VSPGymError(f"beta must be between 0 and 1 (exclusive), not {self.beta!r}")
        if self.top_k < 1:
            raise VSPGymError(f"top_k must be at least 1, not {self.top_k!r}")
        if not 0 < self.temperature < math.inf:
            raise VSPGymError(f"temperature must be positive, not {self.temperature!r}")
        if not 0 <= self.forward_share <= 1:
            raise VSPGymError(f"forward_share must be 0 to 1, not {self.forward_share!r}")

    def per_token(self, student_logits: Tensor, teacher_logits: Tensor, ids: Tensor) -> TokenLoss:
        """The objective at every position.

        Args:
            student_logits: `[..., vocabulary]`; gradients flow here.
            teacher_logits: the same of the teacher.
            ids: the student's sampled tokens, `int64[...]`.
        """
        student = log_probabilities(student_logits, self.temperature)
        teacher = log_probabilities(teacher_logits, self.temperature).detach()
        loss = OBJECTIVES[self.name](self, student, teacher, ids)
        dead = dead_positions(student, teacher)
        if self.guard or self.forward_share:
            share: Tensor | float = self.forward_share
            if self.guard:
                share = torch.where(dead, 1.0, self.forward_share).to(loss.dtype)
            loss = (1 - share) * loss + share * forward_kl(student, teacher)
        with torch.no_grad():
            divergence = reverse_kl(student, teacher)
            entropy = -(student.exp() * student).sum(-1)
        return TokenLoss(loss, divergence, entropy, dead)


@dataclass(frozen=True)
class TokenLoss:
    """Numbers for each position, all `[...]`."""

    loss: Tensor
    """What is minimised; the only one with a gradient."""
    divergence: Tensor
    """Reverse KL in nats, whatever the objective is."""
    entropy: Tensor
    """The student's entropy in nats."""
    dead: Tensor
    """`dead_positions`."""


_Objective = Callable[[Objective, Tensor, Tensor, Tensor], Tensor]

OBJECTIVES: Mapping[str, _Objective] = MappingProxyType(
    {
        "reverse-kl": lambda _, student, teacher, ids: reverse_kl(student, teacher),
        "forward-kl": lambda _, student, teacher, ids: forward_kl(student, teacher),
        "jsd": lambda how, student, teacher, ids: jensen_shannon(student, teacher, how.beta),
        "top-k": lambda how, student, teacher, ids: top_k_kl(student, teacher, how.top_k),
        "sampled": lambda _, student, teacher, ids: sampled_policy_gradient(student, teacher, ids),
    }
)
"""The objectives by name, as functions of log-probabilities and sampled tokens."""


def masked_mean(values: Tensor, mask: Tensor, count: Tensor | float | None = None) -> Tensor:
    """The mean of `values` where `mask` is true; 0 where nothing is.

    Args:
        values: `[...]`. What is masked does not count, not even NaN.
        mask: `bool` or 0 and 1, `[...]`.
        count: divides the sum instead of the number of true positions, for batches in several parts.
    """
    chosen = mask.bool()
    total = torch.where(chosen, values, 0.0).sum()
    return total / (chosen.sum().clamp(min=1) if count is None else count)


def cross_entropy(logits: Tensor, labels: Tensor, count: Tensor | float | None = None) -> Tensor:
    """Mean negative log-likelihood of `labels` `int64[...]`; positions with label -100 do not count."""
    counted = labels >= 0
    log_probs = log_probabilities(logits)
    chosen = log_probs.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return masked_mean(-chosen, counted, count)


def choice_loss(
    logits: Tensor, choices: Tensor, counted: Tensor, count: Tensor | float | None = None
) -> Tensor:
    """Mean KL divergence from the even distribution over the right tokens; the cross-entropy where one is.

    Where several plans are as short, taking one of them as the label is noise, which hides what is to learn.

    Args:
        logits: `[..., vocabulary]`.
        choices: `int64[..., most]`, the right tokens, at least one; -1 for none.
        counted: `bool[...]`, which positions count.
        count: see `masked_mean`.
    """
    right = choices >= 0
    share = 1 / right.sum(-1).clamp(min=1)
    chosen = log_probabilities(logits).gather(-1, choices.clamp(min=0))
    divergence = -torch.where(right, chosen, 0.0).sum(-1) * share + share.log()
    return masked_mean(divergence, counted, count)
