"""One form for the data whatever they came from, and a fingerprint that knows them again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from lossary.comparison.data import FEWEST_ROWS, Dataset, from_arrays, read_data
from lossary.core import LossInputError

N = 12
X = np.arange(2.0 * N).reshape(N, 2) ** 2
Y = np.linspace(0.5, 7.0, N)
FRAME = pd.DataFrame({"size": X[:, 0], "town": pd.Categorical(["ulm", "bonn", None] * 4)})


@pytest.mark.parametrize(
    "features",
    [
        X,
        X.astype(int),
        X.tolist(),
        torch.tensor(X),
        torch.tensor(X, requires_grad=True),
        pd.DataFrame(X, columns=["x0", "x1"], index=range(5, 5 + N)),
        pa.table({"x0": X[:, 0], "x1": X[:, 1]}),
        {"x0": X[:, 0], "x1": list(X[:, 1])},
        X.astype(str),
    ],
    ids=lambda features: type(features).__name__,
)
def test_every_kind_of_features_gives_the_same_table(features: Any) -> None:
    dataset = from_arrays(features, Y)
    assert list(dataset.features) == ["x0", "x1"]
    assert list(dataset.features.index) == list(range(N))
    np.testing.assert_array_equal(dataset.features.to_numpy(), X)


def test_a_bfloat16_tensor_will_do() -> None:
    features = torch.tensor(X, dtype=torch.bfloat16)
    np.testing.assert_array_equal(from_arrays(features, Y).features.to_numpy(), features.double().numpy())


@pytest.mark.parametrize(
    "target",
    [
        Y,
        Y.tolist(),
        Y[:, None],
        torch.tensor(Y),
        torch.tensor(Y)[:, None],
        pd.Series(Y, name="y"),
        pd.DataFrame({"y": Y}),
    ],
    ids=lambda target: type(target).__name__,
)
def test_every_kind_of_target_gives_the_same_values(target: Any) -> None:
    dataset = from_arrays(X, target)
    np.testing.assert_array_equal(dataset.target, Y)
    assert dataset.target.shape == (N,)
    assert dataset.target_names == ("y",)


def test_a_target_keeps_its_name_and_belongs_to_its_row_by_position() -> None:
    dataset = from_arrays(FRAME, pd.Series(Y, name="price", index=range(N, 0, -1)))
    assert dataset.target_names == ("price",)
    np.testing.assert_array_equal(dataset.target, Y)


@pytest.mark.parametrize(
    ("target", "task", "dtype", "shape", "outputs", "counts"),
    [
        (Y, "regression", "float64", (N,), 1, ()),
        ([0, 0, 1] * 4, "binary classification", "int64", (N,), 1, (8, 4)),
        (["a", "b", "c"] * 4, "multi-class classification", "int64", (N,), 3, (4, 4, 4)),
        ([[0, 1, 0], [1, 1, 0], [0, 0, 1]] * 4, "multi-label classification", "int64", (N, 3), 3, (4, 8, 4)),
    ],
)
def test_tasks(
    target: Any, task: str, dtype: str, shape: tuple[int, ...], outputs: int, counts: tuple[int, ...]
) -> None:
    dataset = from_arrays(X, target)
    assert (dataset.task, dataset.target.dtype, dataset.target.shape) == (task, dtype, shape)
    assert dataset.outputs == outputs
    assert dataset.summary().class_counts == counts


def test_a_task_that_is_given_goes_before_the_inferred_one() -> None:
    assert from_arrays(X, [1, 2, 3] * 4).task == "multi-class classification"
    assert from_arrays(X, [1, 2, 3] * 4, task="regression").task == "regression"


def test_the_summary_counts() -> None:
    summary = from_arrays(FRAME, ["no", "yes", "yes"] * 4, name="homes").summary()
    assert (summary.name, summary.samples, summary.numeric, summary.categorical) == ("homes", N, 1, 1)
    assert summary.missing == pytest.approx(4 / 24)  # every third town of 12, among 24 cells
    assert summary.target == ("y",)
    assert summary.classes == ("no", "yes")
    assert summary.class_counts == (4, 8)
    assert len(summary.fingerprint) == 64


def test_rows_without_a_target_are_left_out_with_a_note() -> None:
    target = np.append(Y, [np.nan, np.nan])
    features = np.vstack([X, [[-1.0, -1.0], [-2.0, -2.0]]])
    dataset = from_arrays(features, target)
    assert len(dataset) == N
    assert dataset.notes == ("2 of 14 rows left out for having no target",)
    assert dataset.fingerprint == from_arrays(X, Y).fingerprint


def test_a_row_is_left_out_if_any_label_is_missing() -> None:
    labels = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]] * 4)
    labels[0, 1] = np.nan
    dataset = from_arrays(X, labels)
    assert len(dataset) == N - 1
    np.testing.assert_array_equal(dataset.target, labels[1:])
    np.testing.assert_array_equal(dataset.features, X[1:])
    assert list(dataset.features.index) == list(range(N - 1))


def test_a_column_that_is_constant_once_rows_are_left_out_goes_too() -> None:
    features = np.column_stack([X[:, 0], [0.0] * (N - 1) + [1.0]])
    dataset = from_arrays(features, np.append(Y[:-1], np.nan))
    assert list(dataset.features) == ["x0"]
    assert "left out for having one value only: 'x1'" in dataset.notes


class Sparse:
    def toarray(self) -> None: ...


@pytest.mark.parametrize(
    ("features", "target", "message"),
    [
        (X[:, 0], Y, r"`X` must have shape \(n, d\), got \(12,\)"),
        (X[:, :, None], Y, r"`X` must have shape \(n, d\), got \(12, 2, 1\)"),
        (pd.Series(Y), Y, r"`X` must have shape \(n, d\), got \(12,\)"),
        (X, X[:, :, None], r"`y` must have shape \(n,\) or \(n, L\), got \(12, 2, 1\)"),
        (X, 3.0, r"`y` must have shape \(n,\) or \(n, L\), got \(\)"),
        (X[:-1], Y, "`y` must be as long as `X` with 11 rows, got 12"),
        ([[1.0], [1.0, 2.0]], Y, "`X` must be rows of one length"),
        (Sparse(), Y, "`X` must be dense, got a sparse Sparse"),
        (torch.eye(N).to_sparse(), Y, "`X` must be dense, got a sparse Tensor"),
        (X[:9], Y[:9], f"`data` must have at least {FEWEST_ROWS} rows with a target, got 9"),
        (X, np.where(Y > 6, Y, np.nan), "must have at least 10 rows with a target, got 2"),
        (X, np.append(Y[:-1], np.inf), "column 'y' must hold finite numbers .*, got inf in 1 of 12"),
        (X, np.ones(N), "target 'y' must vary, got 1 in every row"),
        (X, ["a"] * N, "target 'y' must have two classes or more, got 'a' only"),
        (X, X, "label 'y0' must hold 0 and 1 only"),
        (np.full((N, 1), np.nan), Y, "column 'x0' must have a value in some row"),
        (np.ones((N, 2)), Y, "must have a column to learn from besides the target"),
        (np.ones((N, 0)), Y, "must have a column to learn from besides the target, got no columns"),
        (pd.DataFrame(X, columns=["a", "a"]), Y, "`X` must have no two columns of one name, got 'a' twice"),
        (pd.DataFrame(X, columns=[1, "1"]), Y, "`X` must have no two columns of one name, got '1' twice"),
    ],
)  # fmt: skip
def test_data_that_will_not_do(features: Any, target: Any, message: str) -> None:
    with pytest.raises(LossInputError, match=f"^compare: .*{message}"):
        from_arrays(features, target)


def test_scipy_sparse_is_refused() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(LossInputError, match="`X` must be dense, got a sparse csr_matrix"):
        from_arrays(sparse.csr_matrix(X), Y)


def test_a_file_and_the_same_arrays_give_the_same_data(tmp_path: Path) -> None:
    FRAME.assign(price=Y).to_csv(tmp_path / "homes.csv", index=False)
    read = read_data(tmp_path / "homes.csv", target="price")
    made = from_arrays(FRAME, pd.Series(Y, name="price"))
    assert read.name == "homes"
    assert read.fingerprint == made.fingerprint


def test_a_file_with_everything_in_it(tmp_path: Path) -> None:
    rows = [
        f"{row},id-{row},{row % 7},{'?' if row == 3 else row * 2},{'ab'[row % 2]},{'' if row == 5 else row}"
        for row in range(40)
    ]
    (tmp_path / "all.csv").write_text("\n".join([",id,week day,age,group,price", *rows]))
    dataset = read_data(tmp_path / "all.csv", target="price", task="regression")
    assert list(dataset.features) == ["week day", "age", "group"]
    assert dataset.features["age"].isna().sum() == 1
    assert len(dataset) == 39
    assert dataset.notes == (
        "1 of 40 rows left out for having no target",
        "column 'Unnamed: 0': left out, for it has no name and numbers the rows",
        "column 'id': left out, for all its texts are different",
        "column 'age': '?' read as missing in 1 row",
    )


def test_bundled_sets_are_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tasks = {
        name: read_data(name, target=None).task for name in ("breast_cancer", "diabetes", "digits", "iris", "wine")
    }
    assert tasks == {
        "breast_cancer": "binary classification",
        "diabetes": "regression",
        "digits": "multi-class classification",
        "iris": "multi-class classification",
        "wine": "multi-class classification",
    }


def fingerprint(features: Any = FRAME, target: Any = Y, **options: Any) -> str:
    return from_arrays(features, target, **options).fingerprint


def test_the_fingerprint_is_what_it_always_was() -> None:
    """A ledger of finished trials is keyed by it: another value here orphans every ledger in the world."""
    assert fingerprint() == "6804fad90fd2532389656cda9fc6424fd19ee01d4c4652601ba306aa8b6bd82f"


def test_the_fingerprint_is_the_same_in_another_process() -> None:
    program = (
        "import numpy as np, pandas as pd\n"
        "from lossary.comparison.data import from_arrays\n"
        f"n = {N}\n"
        "town = pd.Categorical(['ulm', 'bonn', None] * 4)\n"
        "frame = pd.DataFrame({'size': np.arange(2.0 * n).reshape(n, 2)[:, 0] ** 2, 'town': town})\n"
        "print(from_arrays(frame, np.linspace(0.5, 7.0, n)).fingerprint)\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fingerprint()


def test_the_fingerprint_ignores_what_makes_no_difference() -> None:
    assert fingerprint(name="other") == fingerprint()
    assert fingerprint(FRAME.set_index(np.arange(N) + 3)) == fingerprint()
    assert fingerprint(FRAME.astype({"town": object})) == fingerprint()
    assert fingerprint(FRAME.assign(size=FRAME["size"].replace(0.0, -0.0))) == fingerprint()
    odd_nan = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)[0]
    with_nan, with_odd_nan = (FRAME.assign(size=FRAME["size"].where(FRAME.index > 0, nan)) for nan in (np.nan, odd_nan))
    assert fingerprint(with_nan) == fingerprint(with_odd_nan)


@pytest.mark.parametrize(
    ("features", "target"),
    [
        (FRAME.rename(columns={"size": "area"}), Y),
        (FRAME[["town", "size"]], Y),
        (FRAME.assign(size=FRAME["size"].where(FRAME.index != 4, 3.25)), Y),
        (FRAME.assign(size=FRAME["size"].where(FRAME.index != 4)), Y),
        (FRAME.assign(town=FRAME["town"].cat.rename_categories({"ulm": "koln"})), Y),
        (FRAME.assign(town=FRAME["town"].fillna("ulm")), Y),
        (FRAME.iloc[::-1], Y),
        (FRAME.iloc[::-1], Y[::-1]),
        (FRAME, Y + 1e-12),
        (FRAME, pd.Series(Y, name="price")),
        (FRAME, [0, 1] * 6),
        (FRAME, [1, 2] * 6),
        (FRAME, ["0", "x"] * 6),
    ],
)
def test_the_fingerprint_sees_every_change(features: pd.DataFrame, target: Any) -> None:
    assert fingerprint(features, target) != fingerprint()


def test_the_fingerprint_sees_task_and_classes() -> None:
    prints = {fingerprint(FRAME, [1, 2, 3] * 4, task=task) for task in ("regression", "multi-class")}
    prints |= {fingerprint(FRAME, classes * 4) for classes in (["a", "b", "c"], ["a", "b", "d"])}
    assert len(prints) == 4


def test_datasets_compare_by_identity() -> None:
    one, other = from_arrays(X, Y), from_arrays(X, Y)
    assert one != other
    assert isinstance(one, Dataset)
