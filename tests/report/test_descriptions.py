"""What a card and a docstring say, in words."""

import re

import pytest

from lossary.catalogue import find, get
from lossary.core import CLAIM_NAMES, Card, Count, Real, Simplex, When
from lossary.report import descriptions

ALL = find()


def documented():
    """Cross-entropy of :math:`p` and q. It
    goes on.

    A second paragraph.

    Args:
        logits: Any shape ``(*n)``,
            or none at all.
        target: The same; as in :func:`mse_loss`.

    Returns:
        One number.

    Raises:
        ValueError: if
            it is bad.

    >>> 1 + 1
    2

    >>> 2 + 2
    4
    """


def test_a_docstring_falls_into_its_parts():
    said = descriptions.documentation(documented)
    assert said.paragraphs == ("Cross-entropy of :math:`p` and q. It goes on.", "A second paragraph.")
    assert said.summary == "Cross-entropy of :math:`p` and q."
    assert said.arguments == {
        "logits": "Any shape ``(*n)``, or none at all.", "target": "The same; as in :func:`mse_loss`.",
    }  # fmt: skip
    assert said.sections == {"Returns": "One number.", "Raises": "ValueError: if it is bad."}
    assert said.example == ">>> 1 + 1\n2\n\n>>> 2 + 2\n4"


def test_roles_are_written_as_asked():
    text = descriptions.documentation(documented).arguments["target"] + " ``a`` `b` :math:`c` plain"
    written = descriptions.rewrite_roles(
        text, code="<{}>".format, math="${}$".format, reference="[{}]".format, plain=str.upper
    )
    assert written == "THE SAME; AS IN [mse_loss]. <a> <b> $c$ PLAIN"


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        (Real("n"), "Any number."),
        (Real("n", low=0.0), "A number of at least 0."),
        (Real("n", high=1.0), "A number of at most 1."),
        (Real("n", low=-1.0, high=1.0), "A number from -1 to 1."),
        (Real("n", constant=True), "Any number; constant, without a gradient."),
        (Simplex("n c") | Count("n"),
         "Probabilities of the classes: at least 0, and summing to 1 over ``c``; or a whole number of at least 0, as a"
         " float."),
    ],
)  # fmt: skip
def test_domains(domain, words):
    assert descriptions.domain_words(domain) == words


@pytest.mark.parametrize(
    ("source", "addresses"),
    [
        ("arXiv:1708.02002, eq. 5", ["https://arxiv.org/abs/1708.02002"]),
        ("arXiv:cs/0101001; arXiv:math.ST/0301001",
         ["https://arxiv.org/abs/cs/0101001", "https://arxiv.org/abs/math.ST/0301001"]),
        ("doi:10.1214/aoms/1177703732.", ["https://doi.org/10.1214/aoms/1177703732"]),
        ("as in doi:10.1016/0169-2070(93)90079-3, p. 1", ["https://doi.org/10.1016/0169-2070(93)90079-3"]),
        ("torch.nn.HingeEmbeddingLoss",
         ["https://docs.pytorch.org/docs/stable/generated/torch.nn.HingeEmbeddingLoss.html"]),
        ("Laplace, Mémoire (1774)", []),
    ],
)  # fmt: skip
def test_a_source_keeps_its_words_and_gets_addresses(source, addresses):
    parts = list(descriptions.citations(source))
    assert "".join(text for text, _ in parts) == source
    assert [address for _, address in parts if address] == addresses


def test_every_claim_has_a_sentence():
    assert tuple(descriptions.CLAIMS) == CLAIM_NAMES
    assert len(set(descriptions.CLAIMS.values())) == len(CLAIM_NAMES)
    assert all(re.fullmatch(r"[A-Z].*[^.]\.", sentence) for sentence in descriptions.CLAIMS.values())


def test_claims_come_in_order_with_their_conditions():
    card = Card(task="t", inputs=[], values="", formula="x", source="s",
                claims={"smooth", When("nonnegative", "a is None and b != 0")})  # fmt: skip
    assert descriptions.claims(card) == [
        ("nonnegative", "No value is below 0, if a is not given and b ≠ 0."),
        ("smooth", descriptions.CLAIMS["smooth"]),
    ]


def test_signatures_show_what_a_class_takes_by_itself():
    function, module = descriptions.signatures(get("arcface"))
    assert function.startswith("arcface_loss(embeddings, target, prototypes, *, margin=0.5, ")
    assert module.startswith("ArcFaceLoss(num_classes, embedding_dim, margin=0.5, ")


@pytest.mark.parametrize("definition", ALL, ids=lambda d: d.name)
class TestEveryLoss:
    def test_it_says_what_it_is_and_shows_it(self, definition):
        said = descriptions.documentation(definition.function)
        assert 10 < len(said.summary) < 200
        assert said.example.startswith(">>>")

    def test_it_describes_all_that_it_takes_and_nothing_else(self, definition):
        said = descriptions.documentation(definition.function).arguments
        assert {*definition.inputs, *definition.hyperparameters} <= set(said)
        assert set(said) <= {*definition.inputs, *definition.options}
        fields = descriptions.inputs(definition) + descriptions.hyperparameters(definition)
        assert all(field.text and (field.shape or field.default) for field in fields)

    def test_no_markup_is_left(self, definition):
        said = descriptions.documentation(definition.function)
        for text in (*said.paragraphs, *said.arguments.values(), *said.sections.values()):
            plain = descriptions.rewrite_roles(text, code=str, math=str, reference=str)
            assert "`" not in plain, plain
