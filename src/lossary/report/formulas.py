"""LaTeX as a line of Unicode: an approximation for the terminal, where a formula can't be set."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_TOKEN = re.compile(r"\\[a-zA-Z]+\*?|\\.|[{}^_&]|\s+|[^\\{}^_&\s]")

_SYMBOLS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ",
    "Theta": "Θ", "Lambda": "Λ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "ell": "ℓ",
    "sum": "Σ", "prod": "∏", "int": "∫", "partial": "∂", "nabla": "∇", "infty": "∞", "le": "≤", "leq": "≤", "ge": "≥",
    "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "sim": "~", "in": "∈", "notin": "∉", "subset": "⊂", "cup": "∪",
    "cap": "∩", "emptyset": "∅", "pm": "±", "cdot": "·", "times": "×", "odot": "⊙", "circ": "∘", "ast": "*", "to": "→",
    "rightarrow": "→", "gets": "←", "ldots": "…", "dots": "…", "cdots": "⋯", "mid": "|", "Vert": "‖", "lVert": "‖",
    "rVert": "‖", "vert": "|", "lvert": "|", "rvert": "|", "langle": "⟨", "rangle": "⟩", "lceil": "⌈", "rceil": "⌉",
    "lfloor": "⌊", "rfloor": "⌋", "forall": "∀", "top": "T", "prime": "′", "setminus": "∖", "ll": "≪", "gg": "≫",
    "propto": "∝", "equiv": "≡", "star": "*", "lbrace": "{", "rbrace": "}", "|": "‖", "{": "{", "}": "}", "%": "%",
    "&": "&", "_": "_", "#": "#",
}  # fmt: skip
_RELATIONS = frozenset("≤≥≠≈~∈∉⊂∪∩±·×⊙∘∝≡≪≫→←=<>+-")
_SPACES = {",": " ", ";": " ", ":": " ", " ": " ", "quad": "  ", "qquad": "  ", "!": "", "/": ""}
_CASES = re.compile(r"\s*\\begin\{cases\}(?:(?!\\end).)*\\end\{cases\}\s*", re.DOTALL)
"""A formula that is nothing but cases, which need no braces around them."""
_SIZES = frozenset({"left", "right", "middle", *(size + side for size in ("big", "Big", "bigg", "Bigg")
                                                 for side in ("", "l", "r", "m"))})  # fmt: skip
_STYLES = frozenset({"text", "mathrm", "operatorname", "operatorname*", "mathbf", "mathit", "mathsf", "mathcal",
                     "mathbb", "boldsymbol", "textrm"})  # fmt: skip
_SILENT = frozenset({"textstyle", "displaystyle", "limits", "nolimits"})
_ACCENTS = {"hat": "\u0302", "widehat": "\u0302", "bar": "\u0304", "overline": "\u0304", "tilde": "\u0303",
            "widetilde": "\u0303", "vec": "\u20d7", "dot": "\u0307", "ddot": "\u0308"}  # fmt: skip
_LONG = {"widehat": "hat", "overline": "bar", "widetilde": "tilde"}
"""How an accent is called over more than one sign, where its name is not that."""
_SUPERSCRIPTS = dict(zip("0123456789+-=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ", strict=True))
_SUBSCRIPTS = dict(zip("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
_FRACTIONS = {("1", "2"): "½", ("1", "3"): "⅓", ("1", "4"): "¼", ("2", "3"): "⅔", ("3", "4"): "¾"}
_FUNCTION = re.compile(r"\b(log|exp|cos|sin|tanh|max|min)[₀-₉]? *$")
_WHOLE = re.compile(
    rf"((\d+|[^\W_])[{''.join(_SUBSCRIPTS.values())}]*|\([^()]*\))[{''.join(_SUPERSCRIPTS.values())}]*(\^\([^()]*\))?"
    r"|.|\|[^|]*\||‖[^‖]*‖"
)
"""What needs no parentheses around it."""
_TERM = re.compile(r"\w_\w+|\w+\([^()]*\)")
"""What needs none above or below a bar either: a sign with an index, the value of a function."""


def plain(latex: str) -> str:
    r"""``latex`` in one line of Unicode; commands without a sign of their own keep their name.

    >>> plain(r"\tfrac12 \log\Big(1 + \sum_i e^{-\gamma z_i}\Big)")
    '½ log(1 + Σᵢ e^(-γ zᵢ))'
    >>> plain(r"\begin{cases} r^2 & |r| \le \delta \\ |r| & \text{otherwise} \end{cases}")
    'r² if |r| ≤ δ; |r| otherwise'
    """
    line = _sequence(iter(_TOKEN.findall(latex)), until=None)
    line = re.sub(r" +(?=[,;)\]])|(?<=[(\[]) +", "", " ".join(line.split()))
    return line[1:-1] if _CASES.fullmatch(latex) else line


def _sequence(tokens: Iterator[str], until: str | None) -> str:
    """What stands before the token ``until``, or before the end."""
    written = ""
    for token in tokens:
        if token == until:
            return written
        written = _joined(written, token, tokens)
    return written


def _joined(written: str, token: str, tokens: Iterator[str]) -> str:
    if token == "^":
        return written.rstrip() + _script(_argument(tokens), "^", _SUPERSCRIPTS)
    if token == "_":
        return written.rstrip() + _script(_argument(tokens), "_", _SUBSCRIPTS)
    if token == "{":
        return written + _sequence(tokens, "}")
    if not token.startswith("\\"):
        return written + (" " if token.isspace() else token)
    return written + _command(token[1:], written, tokens)


def _command(name: str, written: str, tokens: Iterator[str]) -> str:
    if name in _SPACES:
        return _SPACES[name]
    if name in _SIZES:
        return _argument(tokens).replace(".", "")
    if name in ("frac", "tfrac", "dfrac"):
        above, below = _argument(tokens), _argument(tokens)
        ratio = "/".join(part if _TERM.fullmatch(part) else _grouped(part) for part in (above, below))
        of_function = _FUNCTION.search(written) is not None  # log (a/b), which log a/b would not be
        return _FRACTIONS.get((above, below), f"({ratio})" if of_function else ratio)
    if name == "sqrt":
        return "√" + _grouped(_argument(tokens))
    if name in _STYLES:
        return _argument(tokens, strip=False)
    if name in _SILENT:
        return ""
    if name in _ACCENTS:
        under = _argument(tokens)
        if len(under) > 1:
            return f"{_LONG.get(name, name)}({under})"
        return unicodedata.normalize("NFC", under + _ACCENTS[name])
    if name == "begin":
        return _environment(_argument(tokens), tokens)
    if name == "\\":
        return "; "
    sign = _SYMBOLS.get(name)
    if sign is not None:
        return f" {sign} " if sign in _RELATIONS else sign
    return name if not written or not written[-1].isalnum() else f" {name}"


def _argument(tokens: Iterator[str], *, strip: bool = True) -> str:
    """The next group or sign."""
    token = next((token for token in tokens if not token.isspace()), "")
    group = _sequence(tokens, "}") if token == "{" else _joined("", token, tokens)
    return group.strip() if strip else group


def _environment(name: str, tokens: Iterator[str]) -> str:
    inside = []
    for token in tokens:
        if token == "\\end":
            _argument(tokens)
            break
        inside.append(token)
    rows = "".join(inside).split("\\\\")
    lines = []
    for row in rows:
        cells = [plain(cell) for cell in row.split("&")]
        if name == "cases" and len(cells) == 2 and not cells[1].startswith(("if ", "otherwise", "else")):
            cells.insert(1, "if")
        lines.append(" ".join(cells))
    joined = "; ".join(line for line in lines if line)
    return f"{{{joined}}}" if name == "cases" else joined


def _script(text: str, sign: str, small: dict[str, str]) -> str:
    if text and all(letter in small for letter in text):
        return "".join(small[letter] for letter in text)
    return sign + _grouped(text)


def _grouped(text: str) -> str:
    """In parentheses where it would fall apart without."""
    return text if _WHOLE.fullmatch(text) else f"({text})"
