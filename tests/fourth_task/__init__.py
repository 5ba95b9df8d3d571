"""A worked example of a task of one's own: this folder is all there is to it."""

from fourth_task.generator import KeyDoorGenerator
from fourth_task.questions import KeyDoorQuestions
from fourth_task.rules import KeyDoorLayout, KeyDoorRules
from fourth_task.statement import KeyDoorStatement
from fourth_task.text import KeyDoorText
from fourth_task.views import KeyDoorPicture
from vsp_gym.envs.base import PlanningTask

__all__ = ["KeyDoor", "KeyDoorLayout"]


class KeyDoor(KeyDoorRules, PlanningTask):
    """The whole task."""

    generator = KeyDoorGenerator()
    text = KeyDoorText()
    picture = KeyDoorPicture()
    questions = KeyDoorQuestions()
    statement = KeyDoorStatement()
