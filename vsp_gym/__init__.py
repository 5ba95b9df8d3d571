"""Visual spatial planning as Gymnasium environments: the picture, and the same state in words.

Importing the package registers `VSP/FrozenLake-v0`, `VSP/Maze-v0` and `VSP/MiniBehaviour-v0`. Other
modules are imported when one of their names is first used, so that the import stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vsp_gym.core import Action, Cell, Plan, Task, Transition, Violation
from vsp_gym.envs import TASKS, get_task, register
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import FormatError, LayoutError, UnknownNameError, VSPGymError

if TYPE_CHECKING:
    from vsp_gym.distillation import DistillationRecord, distillation_record
    from vsp_gym.envs.env import PlanningEnv
    from vsp_gym.envs.frozen_lake import FrozenLakeLayout
    from vsp_gym.envs.maze import MazeLayout
    from vsp_gym.envs.mini_behaviour import MiniBehaviourLayout
    from vsp_gym.envs.vector import VectorPlanningEnv
    from vsp_gym.envs.wrappers import OneShotPlanning, Slippery, TextActions
    from vsp_gym.perception import Question, parse_statement, questions, score_answer, state_statement
    from vsp_gym.planning import (
        Solution,
        TransitionTable,
        count_shortest_plans,
        distances,
        optimal_actions,
        shortest_plan,
        solve,
        tabulate,
    )
    from vsp_gym.plans import ParsedPlan, format_plan, parse_plan
    from vsp_gym.prompts import build_messages, prompt_version
    from vsp_gym.records import Sample, read_samples, write_samples
    from vsp_gym.render import (
        THEMES,
        Theme,
        get_theme,
        legend,
        load_theme,
        perturb,
        register_theme,
        render_ansi,
        render_batch,
        render_frames,
        render_gif,
        render_png,
        render_rgb,
    )
    from vsp_gym.scoring import (
        CONVENTIONS,
        Convention,
        PlanScore,
        get_convention,
        rollout,
        score_plan,
        score_reply,
    )
    from vsp_gym.text import describe, parse_description

__version__ = "0.1.0"

_MODULES = {
    "PlanningEnv": "vsp_gym.envs.env",
    "FrozenLakeLayout": "vsp_gym.envs.frozen_lake",
    "MazeLayout": "vsp_gym.envs.maze",
    "MiniBehaviourLayout": "vsp_gym.envs.mini_behaviour",
    "VectorPlanningEnv": "vsp_gym.envs.vector",
    "OneShotPlanning": "vsp_gym.envs.wrappers",
    "Slippery": "vsp_gym.envs.wrappers",
    "TextActions": "vsp_gym.envs.wrappers",
    "Solution": "vsp_gym.planning",
    "TransitionTable": "vsp_gym.planning",
    "count_shortest_plans": "vsp_gym.planning",
    "distances": "vsp_gym.planning",
    "optimal_actions": "vsp_gym.planning",
    "shortest_plan": "vsp_gym.planning",
    "solve": "vsp_gym.planning",
    "tabulate": "vsp_gym.planning",
    "ParsedPlan": "vsp_gym.plans",
    "format_plan": "vsp_gym.plans",
    "parse_plan": "vsp_gym.plans",
    "THEMES": "vsp_gym.render",
    "Theme": "vsp_gym.render",
    "get_theme": "vsp_gym.render",
    "render_ansi": "vsp_gym.render",
    "render_batch": "vsp_gym.render",
    "render_png": "vsp_gym.render",
    "render_rgb": "vsp_gym.render",
    "CONVENTIONS": "vsp_gym.scoring",
    "Convention": "vsp_gym.scoring",
    "PlanScore": "vsp_gym.scoring",
    "get_convention": "vsp_gym.scoring",
    "rollout": "vsp_gym.scoring",
    "score_plan": "vsp_gym.scoring",
    "score_reply": "vsp_gym.scoring",
    "describe": "vsp_gym.text",
    "parse_description": "vsp_gym.text",
    "DistillationRecord": "vsp_gym.distillation",
    "distillation_record": "vsp_gym.distillation",
    "Question": "vsp_gym.perception",
    "parse_statement": "vsp_gym.perception",
    "questions": "vsp_gym.perception",
    "score_answer": "vsp_gym.perception",
    "state_statement": "vsp_gym.perception",
    "build_messages": "vsp_gym.prompts",
    "prompt_version": "vsp_gym.prompts",
    "Sample": "vsp_gym.records",
    "read_samples": "vsp_gym.records",
    "write_samples": "vsp_gym.records",
    "legend": "vsp_gym.render",
    "load_theme": "vsp_gym.render",
    "perturb": "vsp_gym.render",
    "register_theme": "vsp_gym.render",
    "render_frames": "vsp_gym.render",
    "render_gif": "vsp_gym.render",
}
"""Where the names live that are imported on first use."""

__all__ = [
    "CONVENTIONS",
    "TASKS",
    "THEMES",
    "Action",
    "Cell",
    "Convention",
    "DistillationRecord",
    "FormatError",
    "FrozenLakeLayout",
    "LayoutError",
    "MazeLayout",
    "MiniBehaviourLayout",
    "OneShotPlanning",
    "ParsedPlan",
    "Plan",
    "PlanScore",
    "PlanningEnv",
    "PlanningTask",
    "Question",
    "Sample",
    "Slippery",
    "Solution",
    "Task",
    "TextActions",
    "Theme",
    "Transition",
    "TransitionTable",
    "UnknownNameError",
    "VSPGymError",
    "VectorPlanningEnv",
    "Violation",
    "build_messages",
    "count_shortest_plans",
    "describe",
    "distances",
    "distillation_record",
    "format_plan",
    "get_convention",
    "get_task",
    "get_theme",
    "legend",
    "load_theme",
    "optimal_actions",
    "parse_description",
    "parse_plan",
    "parse_statement",
    "perturb",
    "prompt_version",
    "questions",
    "read_samples",
    "register",
    "register_theme",
    "render_ansi",
    "render_batch",
    "render_frames",
    "render_gif",
    "render_png",
    "render_rgb",
    "rollout",
    "score_answer",
    "score_plan",
    "score_reply",
    "shortest_plan",
    "solve",
    "state_statement",
    "tabulate",
    "write_samples",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
