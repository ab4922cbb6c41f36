"""The table of rules for structured targets, for orders of plain ones, and for classes that are confused.

As in ``table.py``, a weight of 1 is what being the usual loss is worth.
"""

from __future__ import annotations

from .kinds import Kind
from .rules import Bound, Condition, Effect, Rule, goal_rule, usual

_DISTANCES = ("mse", "l1", "huber", "smooth_l1", "pseudo_huber", "log_cosh")
_COORDINATES = ("l1", "smooth_l1", "mse")
_OVERLAPS = ("iou", "giou", "diou", "ciou", "eiou", "log_iou")
_PER_IMAGE = ("dice", "generalized_dice", "jaccard", "tversky", "focal_tversky", "dice_bce", "dice_cross_entropy",
              "dice_focal", "lovasz_hinge", "lovasz_softmax", "mcc")  # fmt: skip
_PROTOTYPES = ("arcface", "cosface", "normface", "proxy_anchor", "proxy_nca")
_IN_BATCH = ("batch_hard_triplet", "circle", "multi_similarity", "sup_con")
_BORDERS = ("boundary", "hausdorff_dt", "log_hausdorff_dt")


def _rule(
    kind: Kind, name: str, bounds: tuple[Bound, ...], evidence: str, source: str, *effects: Effect, besides: str = ""
) -> Rule:
    condition = Condition(name=name, kinds=frozenset({kind}), bounds=bounds)
    return Rule(condition=condition, evidence=evidence, effects=effects, source=source, besides=besides)


_OUTLIERS = (Bound("outlier_share", low=0.004), Bound("outlier_influence", low=0.25))

INTERVALS: tuple[Rule, ...] = (
    usual("interval", ("mse",), "A low and a high: the squared distance to the nearest point between them is convex, "
          "and 0 inside.", "arXiv:1710.04234"),
    _rule("interval", "outlying intervals", _OUTLIERS,
          "{outlier_share:.1%} of the middles are outliers, with {outlier_influence:.0%} of the squares.",
          "Huber 1964, doi:10.1214/aoms/1177703732",
          Effect(weight=1.2, trait="outliers"),
          Effect(weight=0.4, losses=("huber",), why="is the best-tried of the robust losses, and convex")),
    _rule("interval", "mostly exact", (Bound("exact_share", low=0.8),),
          "{exact_share:.0%} of the intervals are points.",
          "arithmetic", besides="Give the points alone as an ordinary target, if the others can be left out."),
    _rule("interval", "wide intervals", (Bound("width_ratio", low=2.0),),
          "The middle interval is {width_ratio:.1f} times as wide as the scale of the residuals.", "arithmetic",
          Effect(weight=0.2, losses=("mse",), why="pulls gently near an end, where little is known"),
          besides="Inside an interval nothing is learned: with wide ones many models fit equally, and the widths say "
          "how sure a prediction can be."),
    _rule("interval", "open intervals", (Bound("open_share", low=0.1),), "{open_share:.0%} are open at an end.",
          "arXiv:1710.04234",
          besides="An open end pulls one way only. If most rows are open above, see task='survival'."),
)  # fmt: skip

SURVIVAL: tuple[Rule, ...] = (
    usual("censored", ("cox_partial_likelihood",), "Times, some of which were cut off: at each event, who of those at "
          "risk had it.", "Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x",
          (Effect(weight=0.2, losses=("mse",), why="gives a time and not only an order, on a logarithmic scale"),
           Effect(weight=-0.4, losses=_DISTANCES, why="is no likelihood: censored rows push no further than their "
                  "time, so that times come out too early"))),
    _rule("censored", "heavy censoring", (Bound("censoring_share", low=0.5),),
          "{censoring_share:.0%} of the rows are censored.", "Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x",
          Effect(weight=0.6, trait="censoring"),
          Effect(weight=-0.4, losses=_DISTANCES, why="learns of a censored row only where it predicts too early")),
    _rule("censored", "few events in a batch", (Bound("events_per_batch", high=8.0),),
          "A batch of 64 has {events_per_batch:.1f} events.", "arXiv:1907.00825",
          Effect(weight=0.3, trait="small batches", why="compares within a batch, which has few events"),
          besides="Train on the whole set, or on batches of hundreds of rows: risk sets are those of the batch."),
    _rule("censored", "few events", (Bound("events_per_feature", high=10.0),),
          "There are {events_per_feature:.1f} events for each feature.", "Peduzzi et al. 1995, "
          "doi:10.1016/0895-4356(95)00048-8",
          besides="Below ten events for a feature coefficients are unsure: fewer features, or a penalty on weights."),
    _rule("censored", "tied events", (Bound("ties", low=0.1),),
          "{ties:.0%} of the events share their time with another.",
          "Efron 1977, doi:10.1080/01621459.1977.10480613",
          besides='Keep ties="efron", the default: "breslow" draws towards 0 where ties are many.'),
    goal_rule("ranking", frozenset({"censored"}), "Only the order of the times is wanted.",
              (Effect(weight=1.0, losses=("cox_partial_likelihood",), why="looks at the order only, and bounds the "
                      "concordance"),),
              "Raykar et al., On Ranking in Survival Analysis: Bounds on the Concordance Index, NIPS 2007", "of times"),
)  # fmt: skip

MASKS: tuple[Rule, ...] = (
    usual("mask", ("dice_bce", "dice_cross_entropy"), "Masks: of twenty losses on six sets, sums of an overlap and a "
          "likelihood were the most robust.", "Ma et al. 2021, doi:10.1016/j.media.2021.102035",
          (Effect(weight=0.6, losses=("cross_entropy", "bce_with_logits"), why="is a likelihood of each pixel"),
           Effect(weight=-1.0, losses=_BORDERS, why="is made to be added to a loss of regions, not to stand alone"))),
    _rule("mask", "small foreground", (Bound("foreground_share", high=0.05),),
          "{foreground_share:.2%} of the pixels are foreground.", "arXiv:1606.04797; arXiv:1707.03237",
          Effect(weight=0.8, trait="class imbalance"), Effect(weight=0.3, trait="region overlap")),
    _rule("mask", "areas of like size", (Bound("imbalance_ratio", high=2.0),),
          "The largest class has {imbalance_ratio:.1f} times the pixels of the smallest.",
          "Ma et al. 2021, doi:10.1016/j.media.2021.102035",
          Effect(weight=0.6, losses=("cross_entropy", "bce_with_logits"), why="is smooth, and needs no help here")),
    _rule("mask", "small regions", (Bound("small_regions", low=0.5),),
          "{small_regions:.0%} of the regions take less than 1% of the image.", "arXiv:1707.03237",
          Effect(weight=0.4, trait="small regions"),
          besides="Overlap over the whole image hides a lost small region: count found regions too."),
    _rule("mask", "thin structures", (Bound("thin_share", low=0.6), Bound("region_pixels", low=25.0)),
          "{thin_share:.0%} of the foreground lies at a border of its region.", "arXiv:2003.07311",
          Effect(weight=1.2, trait="thin structures"),
          Effect(weight=0.4, losses=("dice_cl_dice",), why="minds both the area and the connections")),
    _rule("mask", "rare classes of pixels", (Bound("classes", low=3.0), Bound("rarest_share", high=0.01)),
          "The rarest class has {rarest_share:.2%} of the pixels.", "arXiv:1707.03237",
          Effect(weight=0.4, trait="rare classes"),
          besides="Draw images that hold the rarest class more often."),
    _rule("mask", "empty images", (Bound("absent_share", low=0.3),),
          "An image lacks {absent_share:.0%} of the classes.", "arXiv:2207.09521",
          Effect(weight=0.5, losses=("batch_dice",), why="takes the batch as one image: absent classes do no harm"),
          Effect(weight=-0.3, losses=_PER_IMAGE, why="has no overlap to measure in an image without the class"),
          Effect(weight=0.3, losses=("dice_bce", "dice_cross_entropy", "dice_focal"),
                 why="still learns from each pixel by its likelihood")),
    _rule("mask", "unlabelled pixels", (Bound("ignored_share", low=1e-9),),
          "{ignored_share:.1%} of the pixels have no label.", "the marks of -100 and 255",
          besides="The code leaves them out; metrics must do so too."),
    goal_rule("probabilities", frozenset({"mask"}), "Calibrated probabilities of pixels are wanted.",
              (Effect(weight=1.5, trait="calibrated probabilities"),
               Effect(weight=0.8, losses=("cross_entropy", "bce_with_logits"), why="is a proper score of each pixel"),
               Effect(weight=-0.5, losses=("dice_bce", "dice_cross_entropy"), why="is calibrated in part only")),
              "arXiv:1911.13273", "of pixels"),
    goal_rule("rare class", frozenset({"mask"}), "The rare class is what matters.",
              (Effect(weight=1.0, trait="rare classes"), Effect(weight=0.4, trait="class imbalance")),
              "arXiv:1706.05721", "of pixels"),
)  # fmt: skip

BOXES: tuple[Rule, ...] = (
    usual("boxes", ("giou", "ciou"), "Boxes: a loss of overlap is what they are judged by.", "arXiv:1902.09630",
          (Effect(weight=0.5, losses=("smooth_l1",), why="is the older custom, on coordinates"),)),
    Rule(
        condition=Condition(name="predictions begin far off", kinds=frozenset({"boxes"})),
        evidence="At first most predictions don't touch their box.",
        effects=(Effect(weight=0.5, trait="disjoint boxes"), Effect(weight=0.3, trait="vanishing gradient")),
        source="arXiv:1911.08287",
    ),
    _rule("boxes", "sizes differ", (Bound("scale_span", low=3.0),),
          "A large box has {scale_span:.1f} times the side of a small one.", "arXiv:1902.09630",
          Effect(weight=0.4, losses=_OVERLAPS, why="is the same for a box and its enlargement"),
          Effect(weight=-0.6, losses=_COORDINATES, why="weighs errors by the size of the box")),
    _rule("boxes", "tiny boxes", (Bound("tiny_share", low=0.3),), "{tiny_share:.0%} of the boxes are small.",
          "arXiv:2110.13389",
          Effect(weight=-0.4, losses=_OVERLAPS, why="changes by leaps where a box is a few pixels wide"),
          Effect(weight=0.4, losses=("smooth_l1", "l1"), why="is steady however small a box is"),
          besides="Larger inputs or tiles do more for tiny boxes than a loss."),
    _rule("boxes", "long boxes", (Bound("elongated_share", low=0.2),),
          "{elongated_share:.0%} of the boxes are more than 3 times as long as wide.", "arXiv:1911.08287",
          Effect(weight=0.5, trait="aspect ratio")),
    Rule(
        condition=Condition(name="boxes are half of it", kinds=frozenset({"boxes"})),
        evidence="A detector also says what is in a box, and that most places hold none.",
        effects=(), source="arXiv:1708.02002",
        besides="Add a loss of the classes: sigmoid_focal over all places, and varifocal or quality_focal where its "
        "score is to be the overlap.",
    ),
)  # fmt: skip

EMBEDDINGS: tuple[Rule, ...] = (
    usual("pairs", ("contrastive",), "Pairs of the same and of different: near for the one, a margin apart for the "
          "other.", "Hadsell, Chopra and LeCun 2006, doi:10.1109/CVPR.2006.100",
          (Effect(weight=0.5, losses=("cosine_embedding",), why="is usual for embeddings compared by their cosine"),)),
    _rule("pairs", "few of the same", (Bound("positives_share", high=0.1),),
          "{positives_share:.1%} of the pairs are of the same.", "arXiv:1706.07567",
          besides="Draw as many pairs of the same as of different in a batch, and of these the hard ones: most say "
          "nothing."),
    _rule("pairs", "contradicting pairs", (Bound("contradictions", low=0.005),),
          "{contradictions:.1%} of the pairs are called both same and different.", "arithmetic",
          Effect(weight=0.3, losses=("cosine_embedding",), why="has a bounded pull, whatever is contradicted"),
          besides="Mend or leave out the pairs that are called both."),
    _rule("pairs", "rows in many pairs", (Bound("pairs_per_row", low=8.0),),
          "A row takes part in {pairs_per_row:.1f} pairs.", "arXiv:2003.08505",
          besides="If sameness comes from classes, give these, task='metric learning': a batch then "
          "counts by all its pairs."),
    usual("triplets", ("triplet_margin",), "An anchor, nearer to the positive than to the negative by a margin.",
          "arXiv:1503.03832",
          (Effect(weight=0.6, losses=("bpr",), why="is the same without a margin to choose"),
           Effect(weight=-0.1, losses=("triplet_margin_with_distance",), why="is the same at its defaults"))),
    _rule("triplets", "contradicting triplets", (Bound("contradictions", low=0.005),),
          "{contradictions:.1%} of the triplets are also told the other way round.", "arXiv:1205.2618",
          Effect(weight=0.6, losses=("bpr",), why="is the likelihood of a preference, which may go either way"),
          besides="Contradictions bound how well any embedding can do: count them among the errors."),
    _rule("triplets", "triplets given once", (),
          "Triplets are fixed beforehand.", "arXiv:1706.07567",
          besides="Once most triplets are kept, they teach nothing: draw new, hard ones if classes are known "
          "(task='metric learning')."),
    usual("identities", ("multi_similarity", "cosface"), "Classes to be told apart by distance: tuned alike, losses "
          "differ little.", "arXiv:2003.08505",
          (Effect(weight=0.8, losses=("arcface", "proxy_anchor"), why="is among the usual ones"),
           Effect(weight=0.6, losses=("sup_con", "normface"), why="is among the usual ones"))),
    _rule("identities", "no partners in a batch", (Bound("partners_per_batch", high=1.0),),
          "In a random batch of 64 a sample meets {partners_per_batch:.2f} others of its class.", "arXiv:2003.13911",
          Effect(weight=0.6, losses=_PROTOTYPES, why="needs no other sample of the class in the batch"),
          Effect(weight=-0.6, losses=_IN_BATCH, why="learns nothing of a sample without another of its class"),
          besides="Or draw batches of P classes by K samples (arXiv:1703.07737)."),
    _rule("identities", "partners in a batch", (Bound("partners_per_batch", low=2.0),),
          "In a random batch of 64 a sample meets {partners_per_batch:.1f} others of its class.", "arXiv:2003.08505",
          Effect(weight=0.3, losses=_IN_BATCH, why="compares each sample with all others of the batch")),
    _rule("identities", "many identities", (Bound("classes", low=100.0),), "There are {classes:.0f} classes.",
          "arXiv:1801.07698",
          Effect(weight=0.6, trait="many classes")),
    _rule("identities", "classes of one sample", (Bound("singletons", low=0.05),),
          "{singletons:.0%} of the classes have one sample.", "arithmetic",
          besides="A class of one sample has no positive pair: two augmented views of it make one."),
)  # fmt: skip

LISTS: tuple[Rule, ...] = (
    usual("lists", ("lambdarank",), "Graded lists: pairs weighed by what their exchange does to the discounted gain.",
          "Burges 2010, From RankNet to LambdaRank to LambdaMART, MSR-TR-2010-82",
          (Effect(weight=0.8, losses=("listnet",), why="is the softmax cross-entropy of a list"),
           Effect(weight=0.5, losses=("ranknet", "listmle"), why="is a likelihood of the order"),
           Effect(weight=0.1, losses=("mse",), why="learns the grades, of which the order follows"))),
    _rule("lists", "yes or no", (Bound("grades", high=2.0),), "There are {grades:.0f} grades.",
          "Bruch et al. 2019, doi:10.1145/3341981.3344221",
          Effect(weight=0.6, losses=("listnet",), why="bounds the reciprocal rank and the discounted gain there")),
    _rule("lists", "one item is right", (Bound("one_relevant", low=0.8),),
          "In {one_relevant:.0%} of the lists one item is relevant.", "Bruch et al. 2019, doi:10.1145/3341981.3344221",
          Effect(weight=0.4, losses=("listnet",), why="is then the cross-entropy of the right item")),
    _rule("lists", "long lists", (Bound("longest", low=500.0),), "The longest list has {longest:.0f} items.",
          "the cards: pairs of a list grow with its square",
          Effect(weight=0.8, trait="memory"),
          Effect(weight=0.3, trait="speed"),
          besides="Or draw a part of each list, with all that is relevant."),
    _rule("lists", "lists without an order", (Bound("flat_share", low=0.05),),
          "In {flat_share:.0%} of the lists all grades are the same.", "arithmetic",
          besides="Leave these lists out: they teach no order, and count as perfect or as nothing in metrics."),
    goal_rule("top-k", frozenset({"lists"}), "The first items count.",
              (Effect(weight=1.0, trait="top of the ranking"),), "Burges 2010, MSR-TR-2010-82", "of a list"),
)  # fmt: skip

SEQUENCES: tuple[Rule, ...] = (
    usual("sequences", ("cross_entropy",), "Tokens: the likelihood of each given the others is proper, and perplexity "
          "is judged by it.", "Bengio et al. 2003, A Neural Probabilistic Language Model, JMLR 3"),
    _rule("sequences", "large logits", (Bound("logit_gigabytes", low=0.5),),
          "Logits of a batch of 64 would take {logit_gigabytes:.1f} GB, at {vocabulary:.0f} tokens.",
          "arXiv:2411.09009",
          Effect(weight=1.5, trait="memory")),
    Rule(
        condition=Condition(name="small logits", kinds=frozenset({"sequences"}),
                            bounds=(Bound("logit_gigabytes", high=0.5),)),
        evidence="Logits of a batch of 64 take {logit_gigabytes:.2g} GB.",
        effects=(Effect(weight=-0.4, losses=("linear_cross_entropy",), why="saves memory that is not short, and takes "
                        "the last layer out of the model"),),
        source="arXiv:2411.09009",
    ),
    _rule("sequences", "much padding", (Bound("padding_share", low=0.3),),
          "{padding_share:.0%} of the places are padding.",
          "arithmetic",
          besides="Batch sequences of like length: padding costs time, and a mean over sequences differs from one over "
          "tokens."),
    _rule("sequences", "rare tokens", (Bound("rare_tokens", low=0.3),),
          "{rare_tokens:.0%} of the tokens that occur do so less than 5 times.", "arXiv:1508.07909",
          besides="Split rare words into parts of words: no loss learns a token from four examples."),
    Rule(
        condition=Condition(name="sure of itself", kinds=frozenset({"sequences"})),
        evidence="Likelihood makes a model of tokens sure of itself.", effects=(),
        source="arXiv:1706.03762, sec. 5.4",
        besides="label_smoothing=0.1 in cross_entropy costs perplexity and has bettered accuracy and translation.",
    ),
    goal_rule("probabilities", frozenset({"sequences"}), "Calibrated probabilities of tokens are wanted.",
              (Effect(weight=1.5, trait="calibrated probabilities"),),
              "Gneiting and Raftery 2007, doi:10.1198/016214506000001437", "of tokens"),
)  # fmt: skip

ORDERS: tuple[Rule, ...] = (
    goal_rule("ranking", frozenset({"binary", "ordinal", "count"}), "Only the order is wanted, as the area under the "
              "ROC curve counts it.",
              (Effect(weight=2.0, losses=("ranknet",), why="is the logistic loss of pairs, which is consistent for it"),
               Effect(weight=0.6, losses=("bce_with_logits", "soft_margin"), why="is consistent for it too, and needs "
                      "no pairs"),
               Effect(weight=-0.5, losses=("hinge",), why="is not consistent for it")),
              "arXiv:1208.0645", "of samples"),
    Rule(
        condition=Condition(
            name="confused classes", kinds=frozenset({"multi-class"}),
            bounds=(Bound("grouped_mistakes", low=0.5), Bound("disagreement", low=0.02)),
        ),
        evidence="{grouped_mistakes:.0%} of a simple model's mistakes stay within groups of classes ({groups}), where "
        "chance would have {grouped_by_chance:.0%}.",
        effects=(),
        source="arXiv:1912.09393; that such losses do not always help: Karthik et al., ICLR 2021",
        besides="If mistakes within a group cost less, give cross_entropy soft targets that lend some to the group's "
        "other classes, or decide by expected cost afterwards; if they cost as much, features that part the group.",
    ),
)  # fmt: skip

STRUCTURED_RULES: tuple[Rule, ...] = (
    *INTERVALS, *SURVIVAL, *MASKS, *BOXES, *EMBEDDINGS, *LISTS, *SEQUENCES, *ORDERS,
)  # fmt: skip
"""All rules of this table, in the order in which they are read."""
