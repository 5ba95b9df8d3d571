"""The divergences against a direct computation in float64, their gradients and their masks."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym_trl import losses
from vsp_gym_trl.losses import OBJECTIVES, Objective, log_probabilities, masked_mean

VOCABULARY = 11
SHAPE = (2, 3, VOCABULARY)


def logits(seed: int, scale: float = 3.0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return (
        torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        .mul(scale)
        .to(dtype)
    )


def directly(
    name: str, student: torch.Tensor, teacher: torch.Tensor, ids: torch.Tensor, how: Objective
) -> list[float]:
    """The objectives by their definitions, one position after the other, in Python floats."""
    values = []
    for s_row, t_row, token in zip(
        student.reshape(-1, VOCABULARY), teacher.reshape(-1, VOCABULARY), ids.reshape(-1)
    ):
        p = [math.exp(x) for x in s_row.tolist()]
        q = [math.exp(x) for x in t_row.tolist()]
        p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]

        def kl(a: list[float], b: list[float]) -> float:
            return sum(x * math.log(x / y) for x, y in zip(a, b))

        if name == "reverse-kl":
            values.append(kl(p, q))
        elif name == "forward-kl":
            values.append(kl(q, p))
        elif name == "jsd":
            m = [how.beta * y + (1 - how.beta) * x for x, y in zip(p, q)]
            values.append(how.beta * kl(q, m) + (1 - how.beta) * kl(p, m))
        elif name == "top-k":
            best = sorted(range(VOCABULARY), key=lambda i: -p[i])[: how.top_k]
            rest = [i for i in range(VOCABULARY) if i not in best]
            values.append(
                kl(
                    [p[i] for i in best] + [sum(p[i] for i in rest)],
                    [q[i] for i in best] + [sum(q[i] for i in rest)],
                )
            )
        else:
            values.append(math.log(p[token]) - math.log(q[token]))
    return values


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_objectives_equal_their_definitions(name: str, dtype: torch.dtype, tolerance: float) -> None:
    how = Objective(name, beta=0.3, top_k=4, guard=False)
    student, teacher = logits(0), logits(1)
    ids = torch.randint(VOCABULARY, SHAPE[:-1], generator=torch.Generator().manual_seed(2))
    found = how.per_token(student.to(dtype), teacher.to(dtype), ids).loss
    assert found.dtype == dtype
    assert found.reshape(-1).tolist() == pytest.approx(
        directly(name, student, teacher, ids, how), abs=tolerance
    )


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name not in ("sampled", "top-k")])
@pytest.mark.parametrize("guard", [False, True])
def test_gradients_equal_finite_differences(name: str, guard: bool) -> None:
    how = Objective(name, guard=guard, forward_share=0.2 if guard else 0.0)
    teacher, ids = logits(4), torch.zeros(SHAPE[:-1], dtype=torch.int64)
    student = logits(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: how.per_token(x, teacher, ids).loss, (student,), atol=1e-6)


def test_gradient_of_top_k_equals_finite_differences_where_the_choice_is_clear() -> None:
    student = torch.linspace(-2, 2, VOCABULARY, dtype=torch.float64).repeat(2, 1).requires_grad_()
    teacher = logits(5)[0, :2]
    assert torch.autograd.gradcheck(
        lambda x: losses.top_k_kl(log_probabilities(x), log_probabilities(teacher), 3), (student,), atol=1e-6
    )


def test_the_policy_gradient_is_the_gradient_of_the_reverse_kl_on_average() -> None:
    student, teacher = logits(6)[0, 0].requires_grad_(), logits(7)[0, 0]
    log_student, log_teacher = log_probabilities(student), log_probabilities(teacher)
    (exact,) = torch.autograd.grad(losses.reverse_kl(log_student, log_teacher), student, retain_graph=True)
    every = losses.sampled_policy_gradient(
        log_student.expand(VOCABULARY, -1), log_teacher.expand(VOCABULARY, -1), torch.arange(VOCABULARY)
    )
    expected = (log_student.detach().exp() * every).sum()
    (average,) = torch.autograd.grad(expected, student)
    assert torch.allclose(average, exact, atol=1e-12)
    assert expected.item() == pytest.approx(losses.reverse_kl(log_student, log_teacher).item())


@given(st.integers(0, 10_000), st.integers(1, VOCABULARY + 2), st.floats(0.1, 20))
@settings(max_examples=50, deadline=None)
def test_top_k_bounds_the_divergence_from_below(seed: int, k: int, scale: float) -> None:
    student, teacher = log_probabilities(logits(seed, scale)), log_probabilities(logits(seed + 1, scale))
    full = losses.reverse_kl(student, teacher)
    joined = losses.top_k_kl(student, teacher, k)
    assert bool((joined <= full + 1e-9).all())
    assert bool((joined >= -1e-9).all())
    if k >= VOCABULARY - 1:
        assert torch.allclose(joined, full)


def test_jsd_approaches_both_divergences() -> None:
    student, teacher = log_probabilities(logits(8, 1.0)), log_probabilities(logits(9, 1.0))
    small = 1e-6
    assert torch.allclose(
        losses.jensen_shannon(student, teacher, small) / small, losses.forward_kl(student, teacher), rtol=1e-3
    )
    assert torch.allclose(
        losses.jensen_shannon(student, teacher, 1 - small) / small,
        losses.reverse_kl(student, teacher),
        rtol=1e-3,
    )
    half = losses.jensen_shannon(student, teacher, 0.5)
    assert torch.allclose(half, losses.jensen_shannon(teacher, student, 0.5))
    assert bool((half <= math.log(2)).all())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_padding_changes_nothing(name: str) -> None:
    how = Objective(name)
    student, teacher = logits(10).requires_grad_(), logits(11)
    ids = torch.zeros(SHAPE[:-1], dtype=torch.int64)
    mask = torch.ones(SHAPE[:-1], dtype=torch.bool)
    plain = masked_mean(how.per_token(student, teacher, ids).loss, mask)
    (gradient,) = torch.autograd.grad(plain, student)

    def padded(x: torch.Tensor, value: float) -> torch.Tensor:
        return torch.cat([x, torch.full_like(x[:, :2], value)], dim=1)

    long = padded(student, 7.0)
    loss = masked_mean(how.per_token(long, padded(teacher, -3.0), padded(ids, 1)).loss, padded(mask, False))
    (padded_gradient,) = torch.autograd.grad(loss, student)
    assert loss.item() == pytest.approx(plain.item(), rel=1e-12)
    assert torch.allclose(gradient, padded_gradient, atol=1e-15)


def test_batched_equals_single() -> None:
    how = Objective("jsd")
    student, teacher, ids = logits(12), logits(13), torch.zeros(SHAPE[:-1], dtype=torch.int64)
    batched = how.per_token(student, teacher, ids).loss
    for row in range(SHAPE[0]):
        for column in range(SHAPE[1]):
            at = row, column
            assert batched[at].item() == pytest.approx(
                how.per_token(student[at], teacher[at], ids[at]).loss.item()
            )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_equal_models_have_no_divergence_and_no_gradient(name: str) -> None:
    student = logits(14).requires_grad_()
    ids = torch.zeros(SHAPE[:-1], dtype=torch.int64)
    loss = Objective(name).per_token(student, student.detach().clone(), ids).loss
    assert torch.allclose(loss, torch.zeros_like(loss), atol=1e-12)
    (gradient,) = torch.autograd.grad(loss.sum(), student)
    assert torch.allclose(gradient, torch.zeros_like(gradient), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_extreme_and_excluded_tokens_stay_finite(name: str, dtype: torch.dtype) -> None:
    student = torch.tensor(
        [[300.0, -300.0, 0.0, -math.inf], [0.0, 0.0, 0.0, -math.inf]], dtype=dtype
    ).requires_grad_()
    teacher = torch.tensor([[-300.0, 300.0, 0.0, -math.inf], [0.0, 9.0, 0.0, -math.inf]], dtype=dtype)
    found = Objective(name, top_k=2).per_token(student, teacher, torch.tensor([0, 1]))
    assert bool(torch.isfinite(found.loss).all())
    (gradient,) = torch.autograd.grad(found.loss.sum(), student)
    assert bool(torch.isfinite(gradient).all())


def test_the_guard_gives_a_dead_rollout_a_gradient() -> None:
    """A student certain to stop where its teacher goes on learns nothing from the reverse KL alone."""
    student = torch.tensor([[40.0, 0.0, 0.0]], dtype=torch.float64).requires_grad_()
    teacher = torch.tensor([[-20.0, 5.0, 0.0]], dtype=torch.float64)
    ids = torch.tensor([0])

    def slope(guard: bool) -> float:
        found = Objective("reverse-kl", guard=guard).per_token(student, teacher, ids)
        assert bool(found.dead.all())
        (gradient,) = torch.autograd.grad(found.loss.sum(), student)
        return float(gradient.abs().max())

    assert slope(guard=False) < 1e-12
    assert slope(guard=True) > 0.9


def test_masked_mean_ignores_what_is_masked() -> None:
    values = torch.tensor([1.0, math.nan, 3.0])
    mask = torch.tensor([1, 0, 1])
    assert masked_mean(values, mask).item() == 2.0
    assert masked_mean(values, mask, count=8).item() == 0.5
    assert masked_mean(values, torch.zeros(3)).item() == 0.0


def test_cross_entropy_equals_pytorch() -> None:
    given_logits, labels = logits(15), torch.tensor([[1, -100, 3], [-100, 0, 10]])
    expected = torch.nn.functional.cross_entropy(given_logits.reshape(-1, VOCABULARY), labels.reshape(-1))
    assert losses.cross_entropy(given_logits, labels).item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "reverse_kl"}, "Did you mean 'reverse-kl'"),
        ({"beta": 1.0}, "beta"),
        ({"top_k": 0}, "top_k"),
        ({"temperature": 0.0}, "temperature"),
        ({"forward_share": 1.5}, "forward_share"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises((UnknownNameError, VSPGymError), match=words):
        Objective(**options)  # type: ignore[arg-type]


def test_replies_are_led_up_to_the_first_rejected_token() -> None:
    teacher = torch.full((2, 4, 3), 0.3).log()
    teacher[0, 1, 2] = math.log(0.001)
    teacher[1, 0, 0] = math.log(0.005)
    ids = torch.tensor([[0, 2, 0, 1], [1, 0, 1, 2]])
    assert losses.led_positions(teacher, ids).tolist() == [[True, True, False, False], [True] * 4]


def test_choice_loss_is_the_divergence_from_the_even_distribution() -> None:
    given_logits = torch.randn(
        2, 3, VOCABULARY, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    )
    given_logits.requires_grad_()
    choices = torch.tensor([[[1, -1, -1], [0, 2, 4], [3, 4, -1]], [[5, 1, -1], [-1, -1, -1], [2, -1, -1]]])
    counted = choices[..., 0] >= 0
    total, probabilities = given_logits.new_zeros(()), given_logits.softmax(-1)
    for row, token in counted.nonzero().tolist():
        right = [one for one in choices[row, token].tolist() if one >= 0]
        for one in right:
            share = 1 / len(right)
            total = total + share * (share / probabilities[row, token, one]).log()
    loss = losses.choice_loss(given_logits, choices, counted)
    assert loss.item() == pytest.approx(total.item() / 5)
    assert losses.choice_loss(given_logits, choices, counted, 10.0).item() == pytest.approx(total.item() / 10)
    (gradient,) = torch.autograd.grad(loss, given_logits)
    (expected,) = torch.autograd.grad(total / 5, given_logits)
    torch.testing.assert_close(gradient, expected)
    single = torch.tensor([[[1], [0], [3]], [[5], [-1], [2]]])
    labels = single[..., 0].masked_fill(single[..., 0] < 0, -100)
    alone = losses.choice_loss(given_logits, single, single[..., 0] >= 0)
    assert alone.item() == pytest.approx(losses.cross_entropy(given_logits, labels).item())


def test_hidden_distance_is_relative_and_moves_the_student_alone() -> None:
    student = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    teacher = torch.tensor([[1.0, 0.0], [3.0, 4.0]], requires_grad=True)
    found = losses.hidden_distance(student, teacher)
    assert found.tolist() == [4.0, 0.0]
    found.sum().backward()
    assert student.grad is not None
    assert student.grad.tolist() == [[0.0, 4.0], [0.0, 0.0]]
    assert teacher.grad is None
