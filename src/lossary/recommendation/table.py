"""The table of rules: what in the data or the goals speaks for which losses, how strongly, and who says so.

A weight of 1 is what being the usual loss is worth. So evidence of weight 1.5 overrides custom, and one of 0.5 decides
among what is otherwise equal.
"""

from __future__ import annotations

from .kinds import KINDS, NUMERIC, Kind
from .rules import CLASSIFIED, Bound, Condition, Effect, Rule, goal_rule, usual
from .table_structured import STRUCTURED_RULES

_AMOUNTS: frozenset[Kind] = frozenset({"real", "positive", "bounded"})
_NAMED: frozenset[Kind] = frozenset({"binary", "multi-class"})
"""Classes without an order. Neighbouring grades overlap: a model that is one grade off says nothing of wrong labels."""
_ALL: frozenset[Kind] = frozenset(KINDS)

OF_THE_MEAN = (
    "mse", "rmse", "poisson_nll", "poisson_deviance", "gamma_nll", "gamma_deviance", "tweedie_nll", "tweedie_deviance",
    "negative_binomial_nll", "gaussian_nll", "beta_nll", "bce_with_logits",
)  # fmt: skip
"""Losses that the conditional mean minimises, whatever the distribution; binary cross-entropy that of a share."""
OF_THE_MEDIAN = ("l1", "laplace_nll", "quantile")
OF_QUANTILES = ("quantile", "quantile_huber", "multi_quantile", "quantile_crps")
_ONE_QUANTILE = ("quantile", "quantile_huber")


USUAL: tuple[Rule, ...] = (
    usual("real", ("mse",), "A real target: the mean is what is wanted unless something speaks against it.",
           "Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), sec. 2.4"),
    usual("positive", ("mse",), "A target above 0: the mean is what is wanted unless something speaks against it.",
           "Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), sec. 2.4"),
    usual("bounded", ("bce_with_logits",), "A share in [0, 1]: through a sigmoid, binary cross-entropy is minimal "
           "at its mean and predictions stay in range.", "Papke and Wooldridge 1996, fractional logit",
           (Effect(weight=0.6, losses=("mse",), why="is minimal at the mean, though predictions may leave [0, 1]"),)),
    usual("count", ("poisson_nll",), "A count: Poisson's likelihood with a logarithmic link is minimal at the mean "
           "whatever the distribution.", "Gourieroux, Monfort and Trognon 1984, doi:10.2307/1913472",
           (Effect(weight=0.2, losses=("poisson_deviance",), why="is the same likelihood without the link"),)),
    usual("zero-inflated", ("tweedie_nll",), "Zeros beside positive values ({zero_share:.0%} are 0): a Tweedie "
           "distribution with a power in (1, 2) has both.", "Jørgensen 1987, doi:10.1111/j.2517-6161.1987.tb01685.x",
           (Effect(weight=0.8, losses=("poisson_nll",), why="is minimal at the mean of anything from 0 on"),)),
    usual("binary", ("bce_with_logits",), "Two classes: the logistic likelihood gives probabilities.",
           "Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), sec. 4.4"),
    usual("multi-class", ("cross_entropy",), "Classes without an order: their likelihood gives probabilities.",
           "Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), sec. 4.4"),
    usual("ordinal", ("corn", "coral"), "Classes in an order: questions \"above k?\" use it, mere names "
           "don't.", "arXiv:2111.08851",
           (Effect(weight=0.5, losses=("cross_entropy",), why="is usual for classes, but knows of no order"),
            Effect(weight=0.2, losses=("corn",), why="needs no shared weights for consistent probabilities"))),
    usual("multi-label", ("bce_with_logits",), "Several labels for a sample: one logistic likelihood for each.",
           "torch.nn.BCEWithLogitsLoss"),
)  # fmt: skip

NUMBERS: tuple[Rule, ...] = (
    Rule(
        condition=Condition(
            name="influential outliers", kinds=_AMOUNTS,
            bounds=(Bound("outlier_share", low=0.004), Bound("outlier_influence", low=0.25)),
        ),
        evidence="{outlier_share:.1%} of the residuals are outliers, with {outlier_influence:.0%} of the squares.",
        effects=(
            Effect(weight=1.2, trait="outliers"),
            Effect(weight=0.4, losses=("huber",), why="is the best-tried of the robust losses, convex, and nearly as "
                   "good as squared error where there are no outliers"),
            Effect(weight=-0.2, claim="redescending", why="is not convex: it may settle on the wrong side of a gap"),
        ),
        source="Huber 1964, doi:10.1214/aoms/1177703732",
        besides="Look at the outliers before training: mistakes are to be mended, and rare truths to be kept.",
    ),
    Rule(
        condition=Condition(name="heavy tails", kinds=_AMOUNTS, bounds=(Bound("tails", low=3.8),)),
        evidence="The middle 95% of the residuals are {tails:.1f} times as wide as the middle half; normal ones, 2.9.",
        effects=(Effect(weight=0.6, trait="heavy tails"),),
        source="Kim and White 2004, doi:10.1016/S1544-6123(03)00003-5",
    ),
    Rule(
        condition=Condition(
            name="well-behaved residuals", kinds=frozenset({"real", "positive"}),
            bounds=(Bound("tails", high=3.4), Bound("outlier_influence", high=0.15)),
            without=("median", "robustness"),
        ),
        evidence="The residuals' tails are ordinary ({tails:.1f}); outliers don't matter ({outlier_influence:.0%}).",
        effects=(
            Effect(weight=0.5, losses=("mse",), why="is most efficient for normal noise"),
            Effect(weight=-0.4, losses=("l1", "laplace_nll"), why="needs 57% more samples for the same precision under "
                   "normal noise"),
            Effect(weight=-0.5, claim="redescending", why="guards against outliers that aren't there"),
        ),
        source="Huber and Ronchetti, Robust Statistics (2009), sec. 1.2: the median's efficiency is 2/π",
    ),
    Rule(
        condition=Condition(name="skewed residuals", kinds=NUMERIC, bounds=(Bound("skew", low=0.2, either_sign=True),)),
        evidence="The residuals are skewed (medcouple {skew:+.2f}), so that mean and median are different answers.",
        effects=(Effect(weight=0.3, trait="skewed target"),),
        source="Brys, Hubert and Struyf 2004, doi:10.1198/106186004X12632",
        besides='Decide which is wanted, goals=["mean"] or goals=["median"]; a loss for one is biased for the other.',
    ),
    Rule(
        condition=Condition(
            name="relative noise", kinds=frozenset({"positive"}), bounds=(Bound("spread_with_mean", low=0.3),)
        ),
        evidence="Residuals grow with the prediction (rank correlation {spread_with_mean:.2f}): errors are relative.",
        effects=(
            Effect(weight=0.8, trait="relative errors"),
            Effect(weight=0.9, losses=("gamma_nll",), why="takes the noise as proportional to the mean, with a "
                   "logarithmic link"),
            Effect(weight=-0.5, losses=("mape", "smape"), why="is drawn towards too small predictions"),
        ),
        source="McCullagh and Nelder, Generalized Linear Models (1989), ch. 8",
        besides="Or learn the logarithm of the target with an ordinary loss; its exponential is then the median.",
    ),
    Rule(
        condition=Condition(
            name="orders of magnitude", kinds=frozenset({"positive"}), bounds=(Bound("magnitudes", low=1.5),)
        ),
        evidence="The middle 90% of the target span {magnitudes:.1f} orders of magnitude.",
        effects=(Effect(weight=0.5, trait="relative errors"),),
        source="Box and Cox 1964, doi:10.1111/j.2517-6161.1964.tb00553.x",
        besides="Learn the logarithm of the target: raw values this far apart leave the small ones unlearned.",
    ),
    Rule(
        condition=Condition(
            name="varying noise", kinds=_AMOUNTS,
            bounds=(Bound("heteroscedasticity", low=0.25), Bound("spread_ratio", low=2.0)),
        ),
        evidence="The noise varies with the features: {spread_ratio:.1f} times as much in the loudest quarter as in "
        "the calmest (rank correlation {heteroscedasticity:.2f}).",
        effects=(Effect(weight=0.8, trait="heteroscedastic noise"),),
        source="Glejser 1969, doi:10.1080/01621459.1969.10500976; arXiv:1703.04977",
        besides="Where one output is all there is, weigh samples by one over their noise (sample_weight).",
    ),
    Rule(
        condition=Condition(name="one output", kinds=NUMERIC, without=("intervals",)),
        evidence="No intervals were asked for.",
        effects=(Effect(weight=-0.7, task="probabilistic regression", why="needs more than one output of the model"),),
        source="Occam's razor",
    ),
    Rule(
        condition=Condition(
            name="overdispersed", kinds=frozenset({"count", "zero-inflated"}),
            bounds=(Bound("dispersion", low=1.5), Bound("overdispersion", low=0.1)),
        ),
        evidence="The variance is {dispersion:.1f} times the mean (alpha {overdispersion:.2f}); Poisson counts have 1.",
        effects=(
            Effect(weight=1.6, losses=("negative_binomial_nll",), why="has a variance of its own"),
            Effect(weight=-0.2, losses=("poisson_nll", "poisson_deviance"), why="finds the mean, but understates the "
                   "spread"),
        ),
        source="Cameron and Trivedi 1990, doi:10.1016/0304-4076(90)90014-K",
    ),
    Rule(
        condition=Condition(
            name="excess zeros", kinds=frozenset({"count", "zero-inflated"}), bounds=(Bound("zero_excess", low=0.05),)
        ),
        evidence="{zero_share:.0%} are 0: {zero_excess:.0%} more than a negative binomial of these means has.",
        effects=(Effect(weight=0.4, trait="zeros"),),
        source="Lambert 1992, doi:10.2307/1269547",
        besides="Model zero or not by a second output with bce_with_logits, the rest on the rows above 0: a hurdle.",
    ),
    Rule(
        condition=Condition(name="unit of the target", kinds=_AMOUNTS, bounds=(Bound("residual_scale", low=3.0),)),
        evidence="The residuals' scale is {residual_scale:.3g}, far above 1.",
        effects=(Effect(weight=-0.3, losses=("log_cosh", "charbonnier", "uncertain_smooth_l1"), why="turns from "
                 "squared to absolute at an error of about 1, whatever the unit"),),
        source="the losses' formulas",
        besides="Standardise the target: learning rates are made for errors of about 1.",
    ),
    Rule(
        condition=Condition(name="piled up at an edge", kinds=_AMOUNTS, bounds=(Bound("edge_share", low=0.03),)),
        evidence="{edge_share:.0%} of the targets are the lowest or the highest value exactly: perhaps cut off there.",
        effects=(),
        source="Tobin 1958, doi:10.2307/1907382",
        besides="If values were cut off, a model of all of them learns the limit; treat those rows as censored.",
    ),
)  # fmt: skip

CLASSES: tuple[Rule, ...] = (
    Rule(
        condition=Condition(
            name="imbalance", kinds=frozenset({"binary", "multi-class", "multi-label"}),
            bounds=(Bound("imbalance_ratio", low=4.0),), without=("probabilities",),
        ),
        evidence="{imbalance_ratio:.3g} samples of the commonest for one of the rarest, which has {rarest_count:.0f}.",
        effects=(
            Effect(weight=0.8, trait="class imbalance"),
            Effect(weight=0.2, losses=("cross_entropy", "bce_with_logits"), why="is the best-tried; weights mend what "
                   "imbalance does to it"),
        ),
        source="arXiv:1901.05555; that corrections cost calibration: arXiv:2404.19494",
        besides="Instead of weights, moving the threshold of calibrated probabilities (balance.adjust_logits) often "
        "does as well; or draw rare classes more often (balance.BalancedSampler). Never do two of these at once.",
    ),
    Rule(
        condition=Condition(
            name="severe imbalance", kinds=frozenset({"binary", "multi-class", "multi-label"}),
            bounds=(Bound("imbalance_ratio", low=20.0),), without=("probabilities",),
        ),
        evidence="At {imbalance_ratio:.3g} to 1, a model that never names the rarest class is hardly ever wrong.",
        effects=(Effect(weight=0.4, trait="rare classes"),),
        source="arXiv:2007.07314",
        besides="Judge by balanced accuracy or average precision: accuracy says nothing here.",
    ),
    Rule(
        condition=Condition(name="few of a class", kinds=CLASSIFIED, bounds=(Bound("rarest_count", high=20.0),)),
        evidence="The rarest class has {rarest_count:.0f} samples.",
        effects=(),
        source="arithmetic",
        besides="More samples of the rarest class would do more than any loss. Stratify every split.",
    ),
    Rule(
        condition=Condition(name="label noise", kinds=_NAMED, bounds=(Bound("label_noise", low=0.08),)),
        evidence="A simple model firmly contradicts {label_noise:.0%} of the labels; it misses {disagreement:.0%}.",
        effects=(
            Effect(weight=1.2, trait="label noise"),
            Effect(weight=0.5, losses=("generalized_cross_entropy",), why="lies between cross-entropy and the robust "
                   "absolute error"),
            Effect(weight=-0.6, losses=("asymmetric",), why="forgives wrong negatives only"),
        ),
        source="arXiv:1911.00068; arXiv:1805.07836",
        besides="Look through the labels that models contradict: mending them is worth more than a robust loss. "
        "Classes that truly overlap look the same.",
    ),
    Rule(
        condition=Condition(name="contradictions", kinds=_NAMED, bounds=(Bound("conflicts", low=0.01),)),
        evidence="{conflicts:.1%} of the rows have a twin with the same features and another label.",
        effects=(Effect(weight=0.4, trait="label noise"),),
        source="arithmetic: no model can be right about both",
        besides="Merge the duplicates, with their share of labels as soft targets.",
    ),
    Rule(
        condition=Condition(
            name="many classes", kinds=frozenset({"multi-class"}), bounds=(Bound("classes", low=50.0),)
        ),
        evidence="There are {classes:.0f} classes.",
        effects=(Effect(weight=0.5, trait="many classes"),),
        source="arXiv:1805.07836, sec. 3.2: absolute errors are hard to train with many classes",
    ),
)  # fmt: skip

COMMON: tuple[Rule, ...] = (
    Rule(
        condition=Condition(name="few samples", kinds=_ALL, bounds=(Bound("samples", high=300.0),)),
        evidence="There are {samples:.0f} samples.",
        effects=(),
        source="Nadeau and Bengio 2003, doi:10.1023/A:1024068626366",
        besides="Compare losses over repeated splits: on so few samples most differences between them are luck.",
    ),
    Rule(
        condition=Condition(name="smooth where equal", kinds=_ALL),
        evidence="Among equals, a smooth loss trains more steadily.",
        effects=(
            Effect(weight=0.2, trait="smooth optimisation"),
            Effect(weight=0.1, trait="unstable training"),
            Effect(weight=0.4, trait="vanishing gradient"),
        ),
        source="Bottou, Curtis and Nocedal 2018, doi:10.1137/16M1080173",
    ),
    Rule(
        condition=Condition(name="no one asked for margins", kinds=CLASSIFIED, without=("speed",)),
        evidence="Probabilities are of use wherever decisions follow.",
        effects=(Effect(weight=0.3, trait="calibrated probabilities"),),
        source="Gneiting and Raftery 2007, doi:10.1198/016214506000001437",
    ),
)  # fmt: skip

GOALS: tuple[Rule, ...] = (
    goal_rule("mean", NUMERIC, "The mean is wanted.",
          (Effect(weight=2.0, losses=OF_THE_MEAN, why="is minimal at the mean"),
           Effect(weight=-1.5, losses=OF_THE_MEDIAN, why="is minimal at the median"),
           Effect(weight=-1.5, claim="bounded_gradient", why="is biased for the mean where noise is skewed")),
          "Gneiting 2011, doi:10.1198/jasa.2011.r10138"),
    goal_rule("median", NUMERIC, "The median is wanted.",
          (Effect(weight=1.6, losses=OF_THE_MEDIAN, why="is minimal at the median"),
           Effect(weight=0.3, losses=("l1",), why="is the plain one"),
           Effect(weight=1.2, losses=("charbonnier",), why="is nearly the absolute error"),
           Effect(weight=-1.5, losses=OF_THE_MEAN, why="is minimal at the mean")),
          "Gneiting 2011, doi:10.1198/jasa.2011.r10138"),
    goal_rule("quantile", NUMERIC, "The quantile {level:g} is wanted.",
          (Effect(weight=3.0, losses=_ONE_QUANTILE, why="is made for a quantile"),
           Effect(weight=0.5, losses=("quantile",), why="is minimal exactly at the quantile"),
           Effect(weight=2.0, losses=("multi_quantile", "quantile_crps"), why="gives the quantile among others"),
           Effect(weight=-1.5, losses=OF_THE_MEAN, why="is minimal at the mean")),
          "Koenker and Bassett 1978, doi:10.2307/1913643"),
    goal_rule("intervals", NUMERIC, "Intervals are wanted.",
          (Effect(weight=2.0, trait="intervals"), Effect(weight=0.6, task="probabilistic regression",
           why="learns a distribution")),
          "Gneiting and Raftery 2007, doi:10.1198/016214506000001437"),
    goal_rule("probabilities", CLASSIFIED, "Calibrated probabilities are wanted.",
          (Effect(weight=1.5, trait="calibrated probabilities"),),
          "Gneiting and Raftery 2007, doi:10.1198/016214506000001437"),
    goal_rule("rare class", CLASSIFIED, "The rare class is what matters.",
          (Effect(weight=1.0, trait="class imbalance"), Effect(weight=0.6, trait="rare classes")),
          "arXiv:2007.07314"),
    goal_rule("top-k", frozenset({"multi-class"}), "The right class among the first k is enough.",
          (Effect(weight=1.0, losses=("cross_entropy",), why="is calibrated for every k"),
           Effect(weight=-0.5, trait="large margins", why="looks at more than the largest rival")),
          "Lapin, Hein and Schiele, Loss Functions for Top-k Error, CVPR 2016"),
    goal_rule("robustness", _ALL, "Robustness is wanted.",
          (Effect(weight=1.0, trait="outliers"), Effect(weight=1.0, trait="label noise"),
           Effect(weight=0.3, claim="bounded_gradient", why="lets no single error pull without limit")),
          "Huber 1964, doi:10.1214/aoms/1177703732"),
    goal_rule("speed", _ALL, "Speed is wanted.", (Effect(weight=0.8, time=True),), "lossary.catalogue.cost"),
)  # fmt: skip

RULES: tuple[Rule, ...] = (*USUAL, *NUMBERS, *CLASSES, *COMMON, *GOALS, *STRUCTURED_RULES)
"""All rules, in the order in which they are read."""
