"""The lean loop computes what transformers computes, and learns from what the core says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from vsp_gym import (
    TASKS,
    FrozenLakeLayout,
    describe,
    parse_description,
    parse_plan,
    render_batch,
    score_reply,
)
from vsp_gym.core import Action
from vsp_gym.errors import VSPGymError
from vsp_gym.planning import Solution
from vsp_gym.prompts import build_messages
from vsp_gym.symmetry import orbit_key
from vsp_gym_trl.lean import boards as lean_boards
from vsp_gym_trl.lean.boards import GREY, PromptBook, Ragged, TaskBoards, make_prompts, tile_patches
from vsp_gym_trl.lean.evaluation import Evaluator, judge
from vsp_gym_trl.lean.graphs import Recorder
from vsp_gym_trl.lean.network import Network
from vsp_gym_trl.lean.sampling import Prompted
from vsp_gym_trl.lean.training import PERCEPTION, Part, Replies, TaskData, Trainer, View, concatenate
from vsp_gym_trl.lean.weights import Optimizer, Weights, orthogonalize, schedule
from vsp_gym_trl.losses import Objective
from vsp_gym_trl.tiny import build_model, build_processor, build_tokenizer

SIZES = {"frozen_lake": 4, "maze": 3, "mini_behaviour": 5}
STUDENT = View("student", "full")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return build_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    return build_model(tokenizer, "micro").eval()


@pytest.fixture(scope="module")
def books(tokenizer: Any) -> dict[str, PromptBook]:
    return {name: make_prompts(name, tokenizer) for name in SIZES}


@pytest.fixture(scope="module")
def held_out(books: dict[str, PromptBook], tokenizer: Any) -> dict[str, TaskBoards]:
    return {
        name: lean_boards.make_boards(books[name], tokenizer, size, 6, "test", distinct=True, walks=0)
        for name, size in SIZES.items()
    }


@pytest.fixture
def trainer(model: Any, tokenizer: Any, books: Any, held_out: dict[str, TaskBoards]) -> Trainer:
    network = Network(model, "cpu")
    data = {
        name: TaskData(books[name], boards, tile_patches(TASKS[name], torch.unique(boards.tiles).tolist()))
        for name, boards in held_out.items()
    }
    return Trainer(network, data, tokenizer.eos_token_id)


def canvas(name: str, layout: Any, side: int) -> np.ndarray:
    """The board as `render_batch` draws it, on a grey canvas."""
    picture = render_batch(TASKS[name], [layout], size=32 * layout.rows)[0]
    whole = np.full((32 * side, 32 * side, 3), GREY, np.uint8)
    whole[: len(picture), : picture.shape[1]] = picture
    return whole


def transformers_logits(model: Any, tokenizer: Any, ids: torch.Tensor, pixels: Any) -> torch.Tensor:
    picture = ids == tokenizer.convert_tokens_to_ids("<|image_pad|>")
    with torch.no_grad():
        return model(
            input_ids=ids,
            pixel_values=pixels["pixel_values"],
            image_grid_thw=pixels["image_grid_thw"],
            mm_token_type_ids=picture.int(),
        ).logits


def everywhere(ids: torch.Tensor) -> torch.Tensor:
    """All places of rows of tokens."""
    return torch.arange(ids.shape[1]).expand_as(ids)


# ---- the same model ---------------------------------------------------------------------------------------


def test_logits_of_words_are_those_of_transformers(model: Any) -> None:
    network = Network(model, "cpu")
    ids = torch.randint(20, 300, (3, 40), generator=torch.Generator().manual_seed(0))
    views = network.weights.views
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        torch.testing.assert_close(
            network.logits(views, network.hidden(views, ids, everywhere(ids))), expected, atol=2e-5, rtol=1e-4
        )


def test_states_at_some_places_are_those_of_all(model: Any) -> None:
    network = Network(model, "cpu")
    ids = torch.randint(20, 300, (3, 30), generator=torch.Generator().manual_seed(2))
    places = torch.tensor([[4, 5, 29], [0, 0, 7], [28, 3, 3]])
    views = network.weights.views
    with torch.no_grad():
        whole = network.hidden(views, ids, everywhere(ids))
        expected = whole.gather(1, places[..., None].expand(-1, -1, whole.shape[-1]))
        torch.testing.assert_close(network.hidden(views, ids, places), expected, atol=1e-5, rtol=1e-4)


def test_padding_on_the_right_changes_nothing(model: Any) -> None:
    network = Network(model, "cpu")
    ids = torch.randint(20, 300, (1, 20), generator=torch.Generator().manual_seed(1))
    padded = torch.cat([ids, torch.zeros(1, 9, dtype=torch.int64)], 1)
    views = network.weights.views
    with torch.no_grad():
        torch.testing.assert_close(
            network.hidden(views, padded, everywhere(ids)),
            network.hidden(views, ids, everywhere(ids)),
            atol=1e-5,
            rtol=1e-4,
        )


@pytest.mark.parametrize("side", [None, 8, 9])
@pytest.mark.parametrize("name", SIZES)
def test_logits_of_pictures_are_those_of_transformers(
    name: str, side: int | None, model: Any, tokenizer: Any, books: dict[str, PromptBook]
) -> None:
    book, size = books[name], SIZES[name]
    boards = lean_boards.make_boards(book, tokenizer, size, 2, "test", distinct=True, side=side)
    network, side = Network(model, "cpu"), side or size
    codes = torch.unique(boards.tiles).tolist()
    data = {name: TaskData(book, boards, tile_patches(TASKS[name], codes))}
    trainer = Trainer(network, data, tokenizer.eos_token_id)
    rows = torch.arange(len(boards))
    prompts, at = trainer.prompts(data[name], boards, STUDENT, rows)
    patches = trainer.pictures(data[name], boards, rows)
    pictures = [canvas(name, layout, side) for layout in boards.layouts]
    pixels = build_processor(tokenizer).image_processor(images=pictures, return_tensors="pt")
    frames = pixels["pixel_values"].view(len(rows), 4 * side**2, 3, 2, 256)
    torch.testing.assert_close(frames[:, :, :, 0].flatten(2), patches)
    ids = prompts.ids.long()
    views = network.weights.views
    with torch.no_grad():
        found = network.logits(views, network.hidden(views, ids, everywhere(ids), patches, at))
    torch.testing.assert_close(
        found, transformers_logits(model, tokenizer, ids, pixels), atol=5e-5, rtol=1e-3
    )


def test_trained_weights_load_by_from_pretrained(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    network = Network(model, "cpu")
    network.weights.load(network.weights.flat + 0.01)
    own = build_model(tokenizer, "micro", seed=1)
    network.weights.export(own)
    own.save_pretrained(tmp_path)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.float32)
    ids = torch.arange(30, 50)[None]
    views = network.weights.views
    with torch.no_grad():
        expected = network.logits(views, network.hidden(views, ids, everywhere(ids)))
        torch.testing.assert_close(loaded(input_ids=ids).logits, expected, atol=2e-5, rtol=1e-4)


def test_matrices_that_are_multiplied_as_one_must_follow_each_other(model: Any) -> None:
    names = [f"model.language_model.layers.0.self_attn.{part}_proj.weight" for part in "qkvo"]
    weights = Weights(model, "cpu", torch.float32, {"all": names})
    rows = torch.cat([weights.views[name] for name in names])
    assert torch.equal(weights.views["all"], rows)
    with pytest.raises(VSPGymError, match="do not follow each other"):
        Weights(model, "cpu", torch.float32, {"some": names[::2]})


def test_other_architectures_are_refused(tokenizer: Any) -> None:
    other = build_model(tokenizer, "micro")
    other.config.text_config.num_key_value_heads = 1
    with pytest.raises(VSPGymError, match="key-value heads"):
        Network(other, "cpu")


# ---- the same words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("mode", ["direct", "full"])
@pytest.mark.parametrize("name", SIZES)
def test_prompts_of_words_are_those_of_the_core(
    name: str, mode: Any, shown: bool, trainer: Trainer, tokenizer: Any
) -> None:
    task, boards = trainer.data[name], trainer.data[name].boards
    prompts, _ = trainer.prompts(task, boards, View("teacher", mode, shown), torch.arange(len(boards)))
    for row, layout in enumerate(boards.layouts):
        text = tokenizer.decode(prompts.ids[row, : prompts.lengths[row]].tolist())
        assert describe(name, layout).rstrip("\n") in text
        reply = boards.replies["direct"]
        said = tokenizer.decode(reply.ids[row, 0, : reply.lengths[row, 0] - 1].tolist())
        plan = parse_plan(said, TASKS[name]).actions
        messages = build_messages(
            name,
            layout,
            role="teacher",
            reply=mode,
            reference_plan=plan if shown else None,
            form="hf-template",
        )
        expected = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True)
        assert text == tokenizer.decode(expected["input_ids"])


@pytest.mark.parametrize("name", SIZES)
def test_replies_are_right(name: str, held_out: dict[str, TaskBoards], tokenizer: Any) -> None:
    boards = held_out[name]
    for mode, replies in boards.replies.items():
        for plan in range(replies.lengths.shape[1]):
            texts = [
                tokenizer.decode(replies.ids[row, plan, : replies.lengths[row, plan] - 1].tolist())
                for row in range(len(boards))
            ]
            for verdict in judge(name, mode, boards.layouts, texts):
                assert verdict.parsed
                assert verdict.optimal == (mode != "state")
                assert verdict.state == (mode != "direct")


def test_wrong_replies_are_judged_wrong(held_out: dict[str, TaskBoards]) -> None:
    layout = held_out["maze"].layouts[0]
    (verdict,) = judge("maze", "full", [layout], ["Size: 3 x 3\n<answer>LL</answer>"])
    assert verdict == (False, False, False, True)
    (verdict,) = judge("maze", "direct", [layout], ["no idea"])
    assert not verdict.parsed


def test_splits_share_no_mirror_image(books: dict[str, PromptBook], tokenizer: Any) -> None:
    def orbits(split: str) -> set[str]:
        boards = lean_boards.make_boards(books["maze"], tokenizer, 3, 60, split, distinct=True)
        form = TASKS["maze"].generator.form
        return {orbit_key("maze", form, form.encode(layout)) for layout in boards.layouts}

    assert not orbits("train") & orbits("test")


def test_boards_do_not_depend_on_who_makes_them(books: dict[str, PromptBook], tokenizer: Any) -> None:
    one, other = (
        lean_boards.make_boards(books["frozen_lake"], tokenizer, 4, 20, "train", seed=3) for _ in range(2)
    )
    assert torch.equal(one.tiles, other.tiles)
    assert torch.equal(one.replies["full"].ids, other.replies["full"].ids)


def test_boards_that_were_kept_are_the_same(
    books: dict[str, PromptBook], tokenizer: Any, tmp_path: Path
) -> None:
    boards = lean_boards.make_boards(books["maze"], tokenizer, 3, 5, "train")
    torch.save(boards.tensors(), tmp_path / "boards.pt")
    kept = torch.load(tmp_path / "boards.pt", weights_only=True)
    again = TaskBoards.from_tensors(boards.task, 3, kept)
    assert all(torch.equal(x, boards.tensors()[name]) for name, x in again.tensors().items())
    assert (again.task, again.size, len(again)) == (boards.task, 3, 5)


def test_plans_turn_only_where_they_must() -> None:
    task, rng = TASKS["frozen_lake"], np.random.default_rng(0)
    found = lean_boards.boards_of_split(task, 6, "train", rng)
    for solution in (next(found) for _ in range(30)):
        plan = lean_boards.straight_plan(solution)
        assert len(plan) == solution.distance()
        state = solution.start
        for action, after in zip(plan, plan[1:]):
            assert action in solution.optimal_actions(state)
            state = task.transition(solution.layout, state, action).state
            assert after == action or action not in solution.optimal_actions(state)
        assert task.transition(solution.layout, state, plan[-1]).reward == 1.0


@pytest.mark.parametrize(
    ("rows", "plain"),
    [
        ("SFF FFF FFG", True),
        ("SHF FFF FFG", False),
        ("SFF FFF FHG", False),
        ("SFF HFH FFG", False),
        ("SG", True),
    ],
)
def test_boards_are_plain_where_nothing_is_in_the_way(rows: str, plain: bool) -> None:
    layout = FrozenLakeLayout.from_rows(rows.split())
    assert lean_boards.is_plain(Solution(TASKS["frozen_lake"], layout)) is plain


def test_training_boards_more_often_have_something_in_the_way(
    books: dict[str, PromptBook], tokenizer: Any
) -> None:
    task = TASKS["frozen_lake"]
    shares = []
    for distinct in (True, False):
        boards = lean_boards.make_boards(books["frozen_lake"], tokenizer, 4, 150, "train", distinct=distinct)
        replies = boards.replies["direct"]
        texts = [
            tokenizer.decode(ids[:n].tolist()) for ids, n in zip(replies.ids[:, 0], replies.lengths[:, 0] - 1)
        ]
        told = [tokenizer.decode(ids[:n].tolist()) for ids, n in zip(*boards.descriptions)]
        layouts = [parse_description(task, f"{task.title}, {text}")[0] for text in told]
        assert all(score_reply(task, *pair).optimal for pair in zip(layouts, texts))
        shares.append(np.mean([lean_boards.is_plain(Solution(task, layout)) for layout in layouts]))
    assert shares[1] < shares[0] - 0.2


def test_walks_are_legal_and_leave_the_shortest_way() -> None:
    for name, size in (("maze", 6), ("mini_behaviour", 6), ("frozen_lake", 5)):
        rng = np.random.default_rng(1)
        found = lean_boards.boards_of_split(TASKS[name], size, "train", rng)
        astray = 0
        for solution in (next(found) for _ in range(40)):
            plan = lean_boards.walk(solution, rng, 12)
            state = solution.start
            for action in plan:
                astray += action not in solution.optimal_actions(state)
                state, reward, terminated, violation = TASKS[name].transition(solution.layout, state, action)
                assert violation is None
                assert not terminated or reward == 1.0
            assert len(plan) == 12 or solution.distance(state) == 0
        assert astray > 20


@pytest.mark.parametrize("mode", ["direct", "full"])
@pytest.mark.parametrize("name", SIZES)
def test_choices_are_all_that_is_right(name: str, mode: Any, books: Any, tokenizer: Any) -> None:
    """Each token of a plan or walk may be replaced by what begins a shortest way from there, and no other."""
    task = TASKS[name]
    boards = lean_boards.make_boards(books[name], tokenizer, SIZES[name], 30, "train")
    replies, several = boards.replies[mode], 0
    for row, told in enumerate(zip(*boards.descriptions)):
        text = tokenizer.decode(told[0][: told[1]].tolist())
        layout, start = parse_description(task, f"{task.title}, {text}")
        solution = Solution(task, layout, (start,))
        for plan in range(boards.plans):
            ids = replies.ids[row, plan, : replies.lengths[row, plan]]
            said = tokenizer.decode(torch.where(ids < 0, ~ids, ids).tolist())
            numbers = boards.choices[mode][row, plan, : len(ids)]
            state, steps = start, list(parse_plan(said, task).actions)
            for token in numbers.nonzero()[:, 0].tolist():
                ends = [tokenizer.decode([one]) for one in boards.sets[numbers[token]].tolist() if one >= 0]
                right = {
                    _named(task, layout, state, action, mode) for action in solution.optimal_actions(state)
                }
                assert {end.lstrip(", ") for end in ends} == right
                several += len(ends) > 1
                if steps:
                    state = task.transition(layout, state, steps.pop(0)).state
            assert not steps
            assert solution.distance(state) == 0 or plan > 0
            if mode == "direct" and solution.distance(state):
                assert (ids[-1] < 0).item()  # what comes after an end that is too early is not learned
    assert (several > 0) == (name != "maze")  # from one cell of a maze to another there is one way


def _named(task: Any, layout: Any, state: Any, action: Action, mode: str) -> str:
    if mode == "direct" or action > 3:
        return action.name if action > 3 else action.name[0]
    row, col = task.picture.agent(layout, task.transition(layout, state, action).state)
    return f"({row}, {col})"


def test_given_tokens_are_read_but_not_learned(trainer: Trainer) -> None:
    task = trainer.data["maze"]
    prompts, _ = trainer.prompts(task, task.boards, STUDENT, torch.arange(2))
    replies = Ragged(torch.tensor([[30, ~31, 32], [~33, 34, 0]]), torch.tensor([3, 2]))
    rows, places, labels = trainer.layout(task, STUDENT, prompts, replies, 20)
    start = prompts.ids.shape[1]
    assert rows[:, start : start + 3].tolist() == [[30, 31, 32], [33, 34, 0]]
    assert (labels[:, :3] >= 0).tolist() == [[True, False, True], [False, True, False]]
    assert places[0, :3].tolist() == [start - 1, start, start + 1]


def test_perturbed_tiles_differ_from_clean_ones(held_out: dict[str, TaskBoards]) -> None:
    codes = torch.unique(held_out["maze"].tiles).tolist()
    looks = tile_patches(TASKS["maze"], codes, perturbations=[("noise", 3, 0), ("brightness", 3, 1)])
    assert len(looks) == 3
    assert not torch.equal(looks[0], looks[1])
    assert not torch.equal(looks[1], looks[2])


# ---- sampling ---------------------------------------------------------------------------------------------


def vars_of(found: Replies) -> tuple[str, torch.Tensor, Prompted, Ragged]:
    return found.name, found.rows, found.read, found.replies


def test_greedy_replies_are_the_likeliest_tokens(trainer: Trainer) -> None:
    boards = {name: task.boards for name, task in trainer.data.items()}
    rows = [(name, torch.arange(3)) for name in boards]
    found = trainer.reply(STUDENT, rows, boards, temperature=0.0, training=False)
    views = trainer.network.weights.views
    for name, _, read, replies in map(vars_of, found):
        ids, places, labels = trainer.layout(trainer.data[name], STUDENT, read.prompts, replies, 200)
        with torch.no_grad():
            likeliest = trainer.logits(views, ids, places, read.patches, read.picture_at).argmax(-1)
        counted = labels >= 0
        assert torch.equal(likeliest[counted], labels[counted])


def test_replies_end_where_the_model_ends_them(trainer: Trainer, tokenizer: Any) -> None:
    end = tokenizer.eos_token_id
    boards = {name: task.boards for name, task in trainer.data.items()}
    rows = [(name, torch.arange(4)) for name in boards]
    for view in (STUDENT, View("student", "direct")):
        for found in trainer.reply(view, rows, boards, training=False):
            for row, length in zip(found.replies.ids, found.replies.lengths.tolist()):
                assert end not in row[: length - 1].tolist()
                assert length == len(row) or row[length - 1] == end


def with_drafts(trainer: Trainer, shorter: int, wrong_at: int | None = None) -> tuple[Any, Any]:
    """The likeliest replies to three boards without and with drafts, which are what they begin with."""
    boards = {name: task.boards for name, task in trainer.data.items()}
    rows = [(name, torch.arange(3)) for name in boards]
    plain = trainer.reply(STUDENT, rows, boards, temperature=0.0, training=False)
    drafted = []
    for _, _, read, replies in map(vars_of, plain):
        ids = replies.ids.clone()
        if wrong_at is not None:
            ids[:, wrong_at] += 1
        drafted.append(read._replace(drafts=Ragged(ids, (replies.lengths - shorter).clamp(min=0))))
    found = trainer.sampler(3, 3, 400).run(drafted, 200, 0.0)
    return [one.replies for one in plain], found


@pytest.mark.parametrize("shorter", [1, 5])
def test_right_drafts_change_no_reply(trainer: Trainer, shorter: int) -> None:
    plain, found = with_drafts(trainer, shorter)
    for own, other in zip(plain, found):
        for row, length in enumerate(own.lengths.tolist()):
            assert other.ids[row, :length].tolist() == own.ids[row, :length].tolist()


def test_replies_that_depart_from_their_draft_are_cut_there(trainer: Trainer) -> None:
    plain, found = with_drafts(trainer, 1, wrong_at=2)
    for own, other in zip(plain, found):
        assert other.lengths.tolist() == [min(3, length) for length in own.lengths.tolist()]
        for row, length in enumerate(other.lengths.tolist()):
            assert other.ids[row, :length].tolist() == own.ids[row, :length].tolist()


@pytest.mark.parametrize("name", SIZES)
def test_drafts_are_what_every_right_reply_begins_with(
    name: str, books: dict[str, PromptBook], tokenizer: Any
) -> None:
    boards = lean_boards.make_boards(books[name], tokenizer, SIZES[name], 20, "train")
    drafts, full = boards.statements(torch.arange(20)), boards.replies["full"]
    states = boards.replies["state"]
    for row, length in enumerate(drafts.lengths.tolist()):
        draft = drafts.ids[row, :length].tolist()
        assert all(full.ids[row, plan, :length].tolist() == draft for plan in range(full.ids.shape[1]))
        statement = tokenizer.decode(states.ids[row, 0, : states.lengths[row, 0] - 1].tolist())
        assert tokenizer.decode(draft).strip() == statement.strip()
        after = tokenizer.decode(full.ids[row, 0, length : full.lengths[row, 0]].tolist())
        assert after.strip().startswith("Route: ")


def test_students_draft_the_statement_while_they_learn(trainer: Trainer) -> None:
    boards = {name: task.boards for name, task in trainer.data.items()}
    asked = [(name, torch.arange(3)) for name in boards]
    for name, _, read, found in map(vars_of, trainer.reply(STUDENT, asked, boards)):
        assert torch.equal(read.drafts.lengths, boards[name].stated[:3])
        assert (found.lengths >= 1).all()


def test_rows_are_put_together_without_gaps() -> None:
    one = Ragged(torch.tensor([[1, 2], [3, 0]], dtype=torch.int16), torch.tensor([2, 1]))
    two = Ragged(torch.tensor([[4, 0, 0], [5, 6, 7]], dtype=torch.int16), torch.tensor([1, 3]))
    found = concatenate([one, two], 5)
    assert found.ids.tolist() == [[1, 2, 4, 0, 0], [3, 5, 6, 7, 0]]
    assert found.lengths.tolist() == [3, 4]


# ---- learning ---------------------------------------------------------------------------------------------


def test_supervised_loss_is_the_cross_entropy_of_single_rows(trainer: Trainer) -> None:
    task = trainer.data["maze"]
    trainer.reseed(4)
    loss = float(trainer.supervise(task, PERCEPTION, 4))
    trainer.reseed(4)
    rows = trainer.draw(task.boards, 4)
    total = count = 0.0
    views = trainer.network.weights.views
    for row in rows:
        prompts, at = trainer.prompts(task, task.boards, PERCEPTION, row[None])
        patches = trainer.pictures(task, task.boards, row[None])
        reply = task.boards.replies["state"].pick(row[None], torch.zeros(1, dtype=torch.int64))
        ids = torch.cat([prompts.ids, reply.ids], 1).long()
        with torch.no_grad():
            logits = network_logits(trainer, views, ids, patches, at)
        told = logits[0, prompts.ids.shape[1] - 1 : -1].double().log_softmax(-1)
        total -= float(told.gather(-1, reply.ids.long().T).sum())
        count += reply.ids.shape[1]
    assert loss == pytest.approx(total / count, rel=1e-5)


def test_one_plan_is_learned_as_cross_entropy(trainer: Trainer, books: Any, tokenizer: Any) -> None:
    task = trainer.data["frozen_lake"]
    boards = lean_boards.make_boards(books["frozen_lake"], tokenizer, 4, 40, "train")
    some = TaskData(task.book, boards, task.patches)
    view = View("text-student", "direct")
    losses = []
    for one_plan in (True, False):
        trainer.reseed(5)
        losses.append(float(trainer.supervise(some, view, 8, one_plan=one_plan)))
    assert losses[0] != losses[1]
    trainer.reseed(5)
    alone = boards.take(torch.arange(40))
    alone.choices["direct"].zero_()  # nothing else is known to be right
    assert float(trainer.supervise(some, view, 8, alone)) == pytest.approx(losses[0])


def test_hidden_states_are_led_to_those_of_the_teacher(trainer: Trainer) -> None:
    teacher, gradient = trainer.network.weights.frozen(), trainer.network.weights.gradient
    norms = []
    for hidden in (0.0, 1.0):
        gradient.zero_()
        trainer.reseed(3)
        numbers = trainer.distill("direct", 4, Objective(), teacher, hidden=hidden)
        norms.append(float(gradient.norm()))
        assert (float(numbers["hidden"]) > 0) == (hidden > 0)
    assert norms[0] != norms[1]


def test_hidden_states_of_all_layers_are_told(model: Any) -> None:
    network = Network(model, "cpu")
    ids = torch.randint(20, 300, (2, 12), generator=torch.Generator().manual_seed(5))
    places = torch.tensor([[3, 11], [0, 5]])
    states: list[torch.Tensor] = []
    with torch.no_grad():
        network.hidden(network.weights.views, ids, places, states=states)
        expected = model(input_ids=ids, output_hidden_states=True).hidden_states[1:]
    assert len(states) == len(expected)
    for found, wanted in list(zip(states, expected))[:-1]:  # the last one is normed by transformers
        rows = wanted.gather(1, places[..., None].expand(-1, -1, wanted.shape[-1]))
        torch.testing.assert_close(found, rows, atol=1e-5, rtol=1e-4)


def network_logits(trainer: Trainer, views: Any, ids: Any, patches: Any, at: Any) -> torch.Tensor:
    return trainer.network.logits(views, trainer.network.hidden(views, ids, everywhere(ids), patches, at))


def test_a_student_learns_from_itself_reading_words(trainer: Trainer) -> None:
    teacher = trainer.network.weights.frozen()
    numbers = trainer.distill("direct", 4, Objective(), teacher)
    assert float(numbers["divergence"]) > 0
    assert trainer.network.weights.gradient.norm() > 0


def test_a_student_replies_at_once_to_the_boards_of_some_calls(trainer: Trainer) -> None:
    teacher = trainer.network.weights.frozen()
    assert trainer.rounds(2) == [["frozen_lake", "maze"], ["mini_behaviour", "frozen_lake"]]
    trainer.distill("direct", 2, Objective(), teacher, batches=2, names=["maze", "frozen_lake"])
    (left,) = trainer._replied
    assert (left.name, left.view.mode, len(left.rows)) == ("maze", "direct", 2)
    trainer.distill("full", 3, Objective(), teacher)
    assert not trainer._replied  # replies of another form are not taken for its own
    trainer.distill("direct", 2, Objective(), teacher, batches=2)
    trainer.reseed(0)
    assert not trainer._replied


def test_losses_are_sums_over_replies(trainer: Trainer) -> None:
    task, gradient = trainer.data["maze"], trainer.network.weights.gradient
    norms = []
    for tokens in (10.0, 20.0):
        gradient.zero_()
        trainer.reseed(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vsp_gym_trl.lean.training._TOKENS", tokens)
            mean = float(trainer.supervise(task, PERCEPTION, 3))
        norms.append((mean, float(gradient.norm())))
    assert norms[0][0] == pytest.approx(norms[1][0])  # what is told is the mean over tokens
    assert norms[0][1] == pytest.approx(2 * norms[1][1], rel=1e-4)


def test_replies_count_up_to_what_the_teacher_rejects(trainer: Trainer) -> None:
    teacher = trainer.network.weights.frozen()
    counts = []
    for led in (False, True):
        trainer.reseed(3)
        counts.append(float(trainer.distill("direct", 4, Objective(), teacher, led=led)["tokens"]))
    assert 1 <= counts[1] < counts[0]


def test_teacher_stays_as_it_was(trainer: Trainer) -> None:
    teacher = trainer.network.weights.frozen()
    before = {name: value.clone() for name, value in teacher.items()}
    trainer.run(lambda: trainer.distill("direct", 2, Objective(), teacher), steps=2, rate=1e-2)
    assert all(torch.equal(value, before[name]) for name, value in teacher.items())
    assert not torch.equal(trainer.network.weights.used, torch.cat([v.reshape(-1) for v in before.values()]))


@pytest.mark.parametrize("muon", [False, True])
def test_learning_lowers_the_loss(trainer: Trainer, muon: bool) -> None:
    parts = [Part((PERCEPTION,), 6), Part((View("text-student", "direct"),), 6, turns=True)]
    curve = trainer.run(lambda: trainer.learn(parts), steps=25, rate=3e-3, muon=muon, every=1)
    assert curve.steps == 25
    assert curve.points[-1]["picture state"] < 0.8 * curve.points[0]["picture state"]


def test_runs_with_one_seed_are_equal(trainer: Trainer) -> None:
    start = trainer.network.weights.flat.clone()
    ends = []
    teacher = trainer.network.weights.frozen()
    for _ in range(2):
        trainer.network.weights.load(start)
        trainer.reseed(7)
        trainer.run(lambda: trainer.distill("direct", 2, Objective(), teacher), steps=2, rate=1e-3)
        ends.append(trainer.network.weights.flat.clone())
    assert torch.equal(*ends)


def test_larger_boards_come_in_as_a_run_goes_on(trainer: Trainer, books: Any, tokenizer: Any) -> None:
    data = dict(trainer.data)
    for size in (6, 8):
        boards = lean_boards.make_boards(books["frozen_lake"], tokenizer, size, 4, "train")
        data[f"lake {size}"] = TaskData(books["frozen_lake"], boards, trainer.data["frozen_lake"].patches)
    grown = Trainer(trainer.network, data, tokenizer.eos_token_id)
    drawn: list[list[str]] = []

    def step() -> dict[str, torch.Tensor]:
        drawn.append([grown._turn(grown.tasks["frozen_lake"], growing=True) for _ in range(40)])
        drawn[-1].append(grown._turn(["lake 8"], growing=False))
        return grown.learn([Part((PERCEPTION,), 1, growing=True)])

    grown.run(step, steps=8, rate=1e-3, growth=0.5)
    seen = [set(names[:-1]) for names in drawn[1:]]  # the first step is done twice
    assert seen[0] == {"frozen_lake"}
    assert seen[2] == {"frozen_lake", "lake 6"}
    assert seen[4] == seen[7] == {"frozen_lake", "lake 6", "lake 8"}
    assert {grown._turn(grown.tasks["frozen_lake"], growing=True) for _ in range(40)} == seen[7]


def test_watching_does_not_count_as_training_time(trainer: Trainer) -> None:
    seen: list[int] = []
    trainer.run(
        lambda: trainer.learn([Part((PERCEPTION,), 2)]),
        steps=4,
        rate=1e-3,
        watch=lambda curve: seen.append(curve.steps),
        watches=[0.0, 0.5, 1.0],
    )
    assert seen == [0, 2, 4]


def test_orthogonalized_matrices_have_singular_values_near_one() -> None:
    matrices = torch.randn(3, 20, 50, generator=torch.Generator().manual_seed(0))
    for found in (orthogonalize(matrices), orthogonalize(matrices.mT)):
        values = torch.linalg.svdvals(found)
        assert values.min() > 0.6
        assert values.max() < 1.3


def test_muon_trains_matrices_and_adam_the_rest(model: Any) -> None:
    weights = Network(model, "cpu").weights
    before = weights.flat.clone()
    weights.gradient.copy_(torch.randn(len(weights), generator=torch.Generator().manual_seed(0)))
    Optimizer(weights, 1e-3).step(1.0)
    assert torch.equal(weights.gradient, torch.zeros(len(weights)))
    assert torch.equal(weights.used, weights.flat)
    moved = (weights.flat - before).abs()
    block = weights.blocks[0]
    assert 0 < moved[: weights.blocks[-1].stop].max() < 1e-2
    assert moved[weights.blocks[-1].stop :].max() == pytest.approx(1e-3, rel=0.05)
    assert block.of(weights.flat).shape == (block.count, block.rows, block.cols)


def test_schedule_rises_and_falls() -> None:
    assert schedule(0.0) == 0.0
    assert schedule(0.03) > 0.95
    assert schedule(1.0) == pytest.approx(0.02)


def test_recorder_without_a_gpu_just_calls() -> None:
    (found,) = Recorder(torch.device("cpu")).run("twice", lambda x: [2 * x], torch.ones(2))
    assert found.tolist() == [2.0, 2.0]


# ---- evaluation -------------------------------------------------------------------------------------------


def test_evaluation_judges_every_board_once(trainer: Trainer, tokenizer: Any, held_out: Any) -> None:
    pending = Evaluator(trainer, tokenizer, held_out, batch=4).start(View("text-student", "direct"))
    assert pending.done()
    result = pending.result()
    assert set(result) == {"success", "optimal", "state", "parsed"}
    assert set(result["optimal"]) == {"macro", *(f"{name} {size}" for name, size in SIZES.items())}
    judged = {key: sum(len(done.result()) for done in some) for key, some in pending.judging.items()}
    assert judged == {(name, size): len(held_out[name]) for name, size in SIZES.items()}


def test_evaluation_scores_as_the_core_does(held_out: dict[str, TaskBoards]) -> None:
    boards = held_out["frozen_lake"]
    replies = ["<answer>R</answer>", "<answer>DDRR</answer>"] * 3
    found = judge("frozen_lake", "direct", boards.layouts, replies[: len(boards)])
    for layout, reply, verdict in zip(boards.layouts, replies, found):
        score = score_reply(TASKS["frozen_lake"], layout, reply)
        assert (verdict.success, verdict.optimal) == (score.success, score.optimal)


def test_what_comes_back_is_json(trainer: Trainer, tokenizer: Any, held_out: Any) -> None:
    result = Evaluator(trainer, tokenizer, held_out, batch=6).start(PERCEPTION, share=0.5).result()
    assert json.loads(json.dumps(result)) == result
