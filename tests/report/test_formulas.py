"""LaTeX in a line of Unicode."""

import pytest

from lossary.catalogue import find
from lossary.report.formulas import plain


@pytest.mark.parametrize(
    ("latex", "written"),
    [
        (r"(x - y)^2", "(x - y)²"),
        (r"-y \log p - (1 - y) \log(1 - p)", "-y log p - (1 - y) log(1 - p)"),
        (r"\frac{a + b}{c}", "(a + b)/c"),
        (r"\frac{\lambda}{nd}", "λ/(nd)"),  # not λ/n times d
        (r"\log \frac{a}{b}", "log (a/b)"),  # not (log a)/b
        (r"\frac1C \sum_{k=1}^C z_k", "1/C Σₖ₌₁^C zₖ"),
        (r"e^{z_y}", "e^(z_y)"),  # there is no small y: the whole exponent is in parentheses
        (r"\max_{k \ne y} z_k", "max_(k ≠ y) zₖ"),
        (r"\hat r_i \|x\|_2", "r̂ᵢ ‖x‖₂"),
        (r"\sqrt{v + \epsilon}", "√(v + ε)"),
        (r"\mathrm{softplus}(z)", "softplus(z)"),
        (r"p \text{ if } y = 1", "p if y = 1"),
        (r"v_\mathrm{old}^2", "v_(old)²"),
        (r"\frac{(y - \mu)^2}{w_y}", "(y - μ)²/w_y"),
        (r"\overline{x + y}", "bar(x + y)"),
        (r"2 \begin{cases} x & y = 1 \\ 0 & y = 0 \end{cases}", "2 {x if y = 1; 0 if y = 0}"),
        (r"\left( x \right. \{ 1 \}", "(x { 1 }"),
        (r"\begin{cases} x & y = 1 \\ 0 & \text{otherwise} \end{cases}", "x if y = 1; 0 otherwise"),
    ],
)
def test_plain(latex, written):
    assert plain(latex) == written


@pytest.mark.parametrize("definition", find(), ids=lambda d: d.name)
def test_no_loss_has_a_formula_with_commands_left(definition):
    written = plain(definition.card.formula)
    assert written and "\\" not in written and "&" not in written
