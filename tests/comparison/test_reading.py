"""Files of every kind give the same table, and a file that won't do gives one sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lossary.comparison.reading import BUNDLED, read_source
from lossary.core import LossInputError, UnknownNameError

TABLE = pd.DataFrame({"size": [1.5, 2.5, 3.5], "town": ["ulm", "bonn", "ulm"], "price": [3, 1, 2]})


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def csv(folder: Path, text: str) -> Path:
    return write(folder / "homes.csv", text)


@pytest.mark.parametrize(
    "name", ["homes.csv", "homes.tsv", "homes.csv.gz", "homes.tsv.gz", "homes.parquet", "homes.CSV"]
)
def test_every_kind_of_file_gives_the_same_table(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        TABLE.to_parquet(path)
    else:
        TABLE.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    source = read_source(path, "price")
    assert source.name == "homes"
    pd.testing.assert_frame_equal(source.features, TABLE[["size", "town"]], check_column_type=False)
    pd.testing.assert_frame_equal(source.target, TABLE[["price"]], check_column_type=False)


@pytest.mark.parametrize(
    "text",
    [
        "size;town;price\n1,5;ulm;3\n2,5;bonn;1\n3,5;ulm;2\n",  # decimal commas, as spreadsheets write them in Europe
        "size|town|price\n1.5|ulm|3\n2.5|bonn|1\n3.5|ulm|2\n",
        "size\ttown\tprice\n1.5\tulm\t3\n2.5\tbonn\t1\n3.5\tulm\t2\n",
        "size, town, price\n1.5, ulm, 3\n2.5, bonn, 1\n3.5, ulm, 2\n",
        "\ufeffsize,town,price\r\n1.5,ulm,3\r\n2.5,bonn,1\r\n3.5,ulm,2\r\n",
    ],
)
def test_separators_spaces_and_byte_order_marks(tmp_path: Path, text: str) -> None:
    source = read_source(csv(tmp_path, text), "price")
    pd.testing.assert_frame_equal(source.features, TABLE[["size", "town"]], check_column_type=False)


def test_a_separator_within_quotes_does_not_count(tmp_path: Path) -> None:
    source = read_source(csv(tmp_path, '"a,b,c";"d"\n1;2\n'), "d")
    assert list(source.features) == ["a,b,c"]


def test_only_an_empty_cell_is_missing_as_far_as_the_reader_goes(tmp_path: Path) -> None:
    source = read_source(csv(tmp_path, "kind,price\nNone,1\nNA,2\n,3\n"), "price")
    assert list(source.features["kind"].fillna("nothing")) == ["None", "NA", "nothing"]


@pytest.mark.parametrize("target", ["size,price", "size, price", ["size", "price"], ("size", "price", "size")])
def test_several_targets(tmp_path: Path, target: str | list[str]) -> None:
    source = read_source(csv(tmp_path, TABLE.to_csv(index=False)), target)
    assert list(source.target) == ["size", "price"]
    assert list(source.features) == ["town"]


def test_a_column_with_a_comma_in_its_name_may_be_the_target(tmp_path: Path) -> None:
    source = read_source(csv(tmp_path, '"a,b",c\n1,2\n'), "a,b")
    assert list(source.target) == ["a,b"]


@pytest.mark.parametrize(
    ("arrays", "target", "named"),
    [
        ({"X": np.eye(3), "y": np.arange(3)}, None, "y"),
        ({"X": np.eye(3), "age": np.arange(3), "z": np.ones(3)}, "age", "age"),
        ({"pixels": np.eye(3), "digit": np.arange(3)}, "digit", "digit"),
    ],
)
def test_npz(tmp_path: Path, arrays: dict[str, np.ndarray], target: str | None, named: str) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    source = read_source(tmp_path / "data.npz", target)
    np.testing.assert_array_equal(source.features, np.eye(3))
    np.testing.assert_array_equal(source.target, np.arange(3))
    assert source.target.name == named


def test_npz_with_labels_in_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", X=np.eye(3), y=np.eye(3))
    assert read_source(tmp_path / "data.npz", None).target.shape == (3, 3)


# Rows, columns and classes as scikit-learn's user guide lists them ("Toy datasets").
SETS = {
    "breast_cancer": (569, 30, ["malignant", "benign"]),
    "diabetes": (442, 10, None),
    "digits": (1797, 64, [str(digit) for digit in range(10)]),
    "iris": (150, 4, ["setosa", "versicolor", "virginica"]),
    "wine": (178, 13, ["class_0", "class_1", "class_2"]),
}


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets_have_their_real_names(name: str) -> None:
    rows, columns, classes = SETS[name]
    source = read_source(name, None)
    assert source.features.shape == (rows, columns)
    assert not any(str(column).isdigit() for column in source.features)
    target = source.target["target"]
    assert (list(target.cat.categories) if classes else None) == classes
    assert source.name == name


def test_a_file_goes_before_the_set_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "iris", "not a table")
    with pytest.raises(LossInputError, match=r"ending in .*npz, got 'iris'"):
        read_source("iris", None)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("irs", "or one of breast_cancer, diabetes, digits, iris, wine, got 'irs'; did you mean 'iris'[.]$"),
        ("Iris", "did you mean 'iris'"),
        ("mnist", r"must be a file \(.csv, .csv.gz, .*\) or one of .*, got 'mnist'[.]$"),
        ("home.csv", "must be a file that exists, got 'home.csv'; did you mean 'homes.csv'"),
        ("nowhere/homes.csv", "must be a file that exists, got 'nowhere/homes.csv'[.]$"),
        ("folder", "got the folder 'folder'"),
        ("table.xlsx", "must be a file ending in .csv, .csv.gz, .tsv, .tsv.gz, .parquet, .npz, got 'table.xlsx'"),
        ("empty.csv", "must hold something, got the empty file 'empty.csv'"),
        ("blank.csv", "must be a sound .csv file, got 'blank.csv': No columns to parse"),
        ("ragged.csv", "must be a sound .csv file, got 'ragged.csv': Error tokenizing data.*line 3, saw 3[.]$"),
        ("long.csv", "must have no more fields in a row than column names, got 'long.csv'"),
        ("quote.csv", "must be a sound .csv file, got 'quote.csv'"),
        ("latin.csv", "must be a sound .csv file, got 'latin.csv': 'utf-8' codec"),
        ("twice.csv", "must have no two columns of one name, got 'a' in 'twice.csv'"),
        ("bad.csv.gz", "must be a sound .csv.gz file, got 'bad.csv.gz'"),
        ("cut.csv.gz", "must be a sound .csv.gz file, got 'cut.csv.gz'"),
        ("bad.parquet", "must be a sound .parquet file, got 'bad.parquet'"),
        ("bad.npz", "must be a sound .npz file, got 'bad.npz'"),
        ("objects.npz", "must be a sound .npz file, got 'objects.npz': Object arrays"),
        ("homes.csv", "`target` must name a column of 'homes.csv', got none; it has 'size', 'town', 'price'"),
    ],
)
def test_sources_that_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    csv(tmp_path, TABLE.to_csv(index=False))
    for name, text in {
        "table.xlsx": "x",
        "empty.csv": "",
        "blank.csv": "\n\n",
        "ragged.csv": "a,b\n1,2\n1,2,3\n",
        "long.csv": "a,b\n1,2,3\n4,5,6\n",
        "quote.csv": 'a,b\n"1,2\n',
        "twice.csv": "a,a\n1,2\n",
        "bad.csv.gz": "not packed",
        "bad.parquet": "not columns",
        "bad.npz": "not arrays",
    }.items():
        write(tmp_path / name, text)
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.csv").write_bytes("größe,b\n1,2\n".encode("latin-1"))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(TABLE.to_csv().encode())[:-12])
    np.savez(tmp_path / "objects.npz", X=np.array([[{}]]), y=np.zeros(1))
    with pytest.raises(LossInputError, match=f"^compare: {'.*' if message[0] != '`' else ''}{message}"):
        read_source(source, None)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("prise", "must name a column of 'homes.csv', got 'prise'; did you mean 'price'"),
        ("PRICE", "got 'PRICE'; did you mean 'price'"),
        ("size,prise", "got 'prise'; did you mean 'price'"),
        ("xyz", "got 'xyz'; it has 'size', 'town', 'price'"),
    ],
)
def test_an_unknown_target(tmp_path: Path, target: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        read_source(csv(tmp_path, TABLE.to_csv(index=False)), target)


@pytest.mark.parametrize(
    ("arrays", "target", "message"),
    [
        (
            ("X", "target"),
            None,
            "must hold an array 'y', got 'data.npz' with X, target; name the target's with `--target`",
        ),
        (("X", "label"), "labels", "must hold an array 'labels', .*did you mean 'label'"),
        (("a", "b", "y"), None, "must hold the features as 'X' or as its only other array, got .*a, b, y"),
        (("y",), None, "must hold the features as 'X'"),
    ],
)
def test_npz_without_the_arrays_wanted(
    tmp_path: Path, arrays: tuple[str, ...], target: str | None, message: str
) -> None:
    np.savez(tmp_path / "data.npz", **dict.fromkeys(arrays, np.ones(2)))
    with pytest.raises(LossInputError, match=message):
        read_source(tmp_path / "data.npz", target)
