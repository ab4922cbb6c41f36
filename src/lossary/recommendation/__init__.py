"""Which loss for these data? From measured figures, a readable table of rules, and the cards.

:mod:`.profiling` measures, :mod:`.table` holds the rules, :mod:`.candidates` knows which losses can be trained on a
kind of target and with which hyperparameters, :mod:`.run` ranks them and says what would change the ranking.
"""

from .kinds import KINDS, Kind
from .measures import Figure
from .profiling import Profile, profile
from .result import Advice, Firing, Reason, Recommendation
from .rules import GOAL_NAMES, Bound, Condition, Effect, Goal, Rule, Situation
from .run import recommend
from .table import RULES

__all__ = [
    "GOAL_NAMES", "KINDS", "RULES", "Advice", "Bound", "Condition", "Effect", "Figure", "Firing", "Goal", "Kind",
    "Profile", "Reason", "Recommendation", "Rule", "Situation", "profile", "recommend",
]  # fmt: skip
