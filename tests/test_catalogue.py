"""Names, forms and exports of the catalogue agree, and losses are found by name and by card."""

import json
import re

import pytest

import lossary
from lossary import catalogue
from lossary.core import LossInputError, Optional, UnknownNameError

ALL = catalogue.find()


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def test_the_catalogue_is_filled():
    assert len(ALL) >= 11


@pytest.mark.parametrize("definition", ALL, ids=lambda d: d.name)
class TestDefinition:
    def test_function_and_module_bear_one_name(self, definition):
        assert definition.name.endswith("_loss")
        assert snake(definition.module.__name__).replace("_", "") == definition.name.replace("_", "")

    def test_both_forms_are_exported(self, definition):
        assert getattr(lossary, definition.name) is definition.function
        assert getattr(lossary, definition.module.__name__) is definition.module

    def test_it_is_found_by_every_name(self, definition):
        for name in (definition.name, definition.module.__name__, catalogue.short_name(definition)):
            assert catalogue.get(name) is definition

    def test_defaults_keep_their_bounds(self, definition):
        definition.check("test", definition.hyperparameters)

    def test_settings_and_tuned_values_keep_their_bounds(self, definition):
        for setting in definition.card.settings:
            definition.check("test", setting)
        for name, values in definition.card.tune.items():
            assert name in definition.hyperparameters
            for value in values:
                definition.check("test", {name: value})

    def test_every_hyperparameter_says_what_it_may_be(self, definition):
        for name in definition.hyperparameters:
            assert str(definition.constraints[name]), name

    def test_the_card_is_plain_data(self, definition):
        plain = json.loads(json.dumps(catalogue.to_dict(definition), allow_nan=False))
        assert plain["formula"] and plain["source"] and plain["tasks"] and plain["inputs"]


def test_names_are_given_once():
    """What a loss is known as must not be what another is called, or known as."""
    taken: dict[str, str] = {}
    for definition in ALL:
        for name in {definition.name, *definition.card.known_as}:
            key = catalogue._key(name)
            assert taken.setdefault(key, definition.name) == definition.name, f"{name!r} is taken"


def test_find_by_task_and_claims():
    robust = {d.name for d in catalogue.find(task="regression", claims=["bounded_gradient"])}
    assert {"l1_loss", "huber_loss"} <= robust
    assert "mse_loss" not in robust


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="huber"):
        catalogue.get("hubber")
    assert issubclass(UnknownNameError, LossInputError)


def test_optional_bounds_say_so():
    bounds = catalogue.get("cross_entropy").constraints["class_weight"]
    assert isinstance(bounds, Optional) and "or None" in str(bounds)


def test_every_loss_was_measured_and_no_entry_is_stale():
    names = {definition.name for definition in ALL}
    renew = "`python -m benchmarks costs` measures src/lossary/costs.json anew"
    assert names - set(catalogue._costs()) == set(), renew
    assert set(catalogue._costs()) - names == set(), renew


@pytest.mark.parametrize("definition", ALL, ids=lambda d: d.name)
def test_costs_are_sane_and_agree_with_the_claims(definition):
    """No claim of convexity beside a negative curvature; and the gradient alone takes as much memory as the input."""
    found = catalogue.cost(definition.name)
    assert found.nanoseconds > 0 and found.time > 0 and found.memory >= 1
    assert found.least_curvature <= found.most_curvature
    if "convex" in definition.card.claims_under(definition.hyperparameters) and not definition.card.stops_gradient:
        assert not found.nonconvex


def test_costs_are_found_by_any_name():
    assert catalogue.cost("MAE") is catalogue.cost("l1_loss") is catalogue.cost("L1Loss")
    assert catalogue.to_dict(catalogue.get("mse"))["cost"]["least_curvature"] == 2  # of (x - y)²
    with pytest.raises(UnknownNameError, match="huber"):
        catalogue.cost("hubber")


def test_a_loss_that_was_not_measured_has_no_cost(monkeypatch):
    monkeypatch.setattr(catalogue, "_costs", dict)
    assert catalogue.cost("huber") is None
    assert catalogue.to_dict(catalogue.get("huber"))["cost"] is None


@pytest.mark.parametrize("name", ["Huber (robust)", "Huber / whatever", "smooth something (Huber)"])
def test_names_are_read_generously(name):
    assert catalogue.get(name).name == "huber_loss"
