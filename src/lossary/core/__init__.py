"""What a loss is: its inputs, its card, its reduction, its two forms. Depends on torch alone."""

from .card import CLAIM_NAMES, Card, ClaimName, Trait, When
from .classes import reduce_classes
from .constraints import (
    AtLeastOne,
    ClassWeight,
    Constraint,
    Fits,
    Fraction,
    NonNegative,
    Number,
    OneOf,
    OpenFraction,
    Optional,
    Positive,
    PositiveInt,
    Within,
    require,
)
from .definition import Definition, definition_of, definitions, loss
from .domains import (
    Binary,
    Box,
    ClassIndex,
    Count,
    Domain,
    Either,
    Embedding,
    Image,
    Length,
    Logit,
    LogProbability,
    LogSimplex,
    NonNegativeReal,
    PositiveReal,
    Probability,
    Real,
    Relevance,
    Score,
    Sign,
    Simplex,
    Sizes,
    Waveform,
    fits,
    perfect_prediction,
    shape_of,
)
from .errors import LossDefinitionError, LossError, LossInputError, UnknownNameError
from .module import Call, Loss, ManyLoss, PairLoss, SingleLoss, TripletLoss
from .reduction import REDUCTIONS, Reduce, Reduction, Weighted, align, fill_masked, masked_sum, reduce
from .result import Finding, Result

__all__ = [
    "CLAIM_NAMES", "REDUCTIONS", "AtLeastOne", "Binary", "Box", "Call", "Card", "ClaimName", "ClassIndex",
    "ClassWeight", "Constraint", "Count", "Definition", "Domain", "Either", "Embedding", "Finding", "Fits",
    "Fraction", "Image", "Length", "LogProbability", "LogSimplex", "Logit", "Loss", "LossDefinitionError",
    "LossError", "LossInputError", "ManyLoss", "NonNegative", "NonNegativeReal", "Number", "OneOf",
    "OpenFraction", "Optional", "PairLoss", "Positive", "PositiveInt", "PositiveReal", "Probability", "Real",
    "Reduce", "Reduction", "Relevance", "Result", "Score", "Sign", "Simplex", "SingleLoss", "Sizes", "Trait",
    "TripletLoss", "UnknownNameError", "Waveform", "Weighted", "When", "Within", "align", "definition_of",
    "definitions", "fill_masked", "fits", "loss", "masked_sum", "perfect_prediction", "reduce", "reduce_classes",
    "require", "shape_of",
]  # fmt: skip
