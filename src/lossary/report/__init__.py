"""Renders results: on the terminal, as HTML pages and charts. No other part of the library does."""

from .catalogue import show_catalogue, show_loss
from .charts import (
    absolute_error_chart,
    choice_chart,
    confidence_chart,
    curve_chart,
    difference_chart,
    ranking_chart,
    residual_chart,
)
from .checks import check_text, show_check, write_check
from .diagnosis import causes_as_data, diagnosis_page, show_cause, show_causes, show_diagnosis, write_diagnosis
from .html import comparison_page, write_comparison
from .pages import write_files
from .recommendation import show_recommendation
from .status import show_status
from .terminal import progress, show_comparison

__all__ = [
    "absolute_error_chart", "causes_as_data", "check_text", "choice_chart", "comparison_page", "confidence_chart",
    "curve_chart", "diagnosis_page", "difference_chart", "progress", "ranking_chart", "residual_chart",
    "show_catalogue", "show_cause", "show_causes", "show_check", "show_comparison", "show_diagnosis", "show_loss",
    "show_recommendation", "show_status", "write_check", "write_comparison", "write_diagnosis", "write_files",
]  # fmt: skip
