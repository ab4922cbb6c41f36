"""Classes that are confused with one another, and the goal of nothing but an order."""

import numpy as np
import pytest
import torch
from sklearn import datasets

from lossary.core import LossInputError
from lossary.recommendation import profile, recommend
from lossary.recommendation.confusion import confusion

from .conftest import draw


def test_classes_that_were_drawn_alike_are_found():
    """Classes 0 and 1 share a centre, 2 and 3 another, 4 has its own: mistakes fall within the pairs."""
    rng = np.random.default_rng(0)
    y = np.arange(500) % 5
    x = rng.normal(size=(500, 2)) * 0.3 + np.array([[0, 0], [0, 0], [5, 0], [5, 0], [0, 5]])[y]
    found = recommend(x, y)
    assert found.profile.confused == (("0", "1"), ("2", "3"))
    assert found.profile.value("grouped_mistakes") > 0.95
    assert found.profile.value("grouped_by_chance") == pytest.approx(0.2)  # 2 of 10 pairs of classes of one size
    fired = {firing.rule: firing for firing in found.rules if firing.fired}
    assert "(0, 1; 2, 3)" in fired["confused classes"].sentence
    assert any("soft targets" in sentence for sentence in found.besides)


def test_classes_that_are_all_alike_make_no_group():
    rng = np.random.default_rng(0)
    found = profile(rng.normal(size=(400, 3)), np.arange(400) % 4)
    assert found.confused == () and found.value("grouped_mistakes") < 0.5
    assert profile(*draw("clean labels")).confused == ()


def test_two_of_the_irises_are_confused():
    """Setosa is known to be apart from the two others."""
    x, y = datasets.load_iris(return_X_y=True)
    assert profile(x, y).confused == (("1", "2"),)


def test_few_mistakes_say_nothing():
    y = np.repeat([0, 1, 2], 20)
    predicted = y.copy()
    predicted[:4] = 1
    assert confusion(y, predicted, 3).groups == ()
    predicted[:12] = 1
    assert confusion(y, predicted, 3).groups == ((0, 1),)
    assert confusion(predicted, y, 3).groups == ((0, 1),)  # whichever of the two is taken for the other


@pytest.mark.parametrize("kind", ["clean labels", "poisson"])
def test_the_goal_of_an_order(kind, recommended):
    found = recommend(recommended(kind).profile, goals=["ranking"])
    assert found.best.loss == "ranknet" and found.best.outputs == 1
    assert "ranknet" not in [advice.loss for advice in recommended(kind).ranking]
    x, y = draw(kind)
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    scope = {}
    exec(found.best.code, scope)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    batch, target = torch.from_numpy(x[:200]).float(), torch.from_numpy(y[:200])
    for _ in range(60):
        optimizer.zero_grad()
        scope["training_loss"](model, batch, target).backward()
        optimizer.step()
    score = model(batch)[:, 0].detach().numpy()
    line = x[:200] @ [1.0, 2.0, 0.0, 0.5]
    assert np.corrcoef(score, line)[0, 1] > 0.95


def test_an_order_has_no_meaning_for_names():
    with pytest.raises(LossInputError, match="'ranking' for a multi-class target"):
        recommend([0, 1, 2] * 10, goals=["ranking"])
