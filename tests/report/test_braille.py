"""Curves in braille: a character has four rows of two dots, of which 1 and 8 are the top and 64 and 128 the bottom."""

from lossary.report.braille import MARGIN, draw

EMPTY = "\u2800"


def body(lines):
    """What stands right of the vertical axis, without the line of the horizontal one."""
    return [line[MARGIN + 2 :] for line in lines[:-1]]


def test_a_level_line_at_the_bottom_and_at_the_top():
    width = MARGIN + 2 + 3
    assert body(draw((0, 1), (0, 0), (0, 1), width=width, height=1)) == ["⣀⣀⣀"]  # 64 + 128
    assert body(draw((0, 1), (1, 1), (0, 1), width=width, height=1)) == ["⠉⠉⠉"]  # 1 + 8


def test_a_diagonal_goes_from_corner_to_corner():
    # Four columns of dots over eight rows, at the rows 7, 5, 2 and 0, with half of the way to their neighbours: rows
    # 6 to 7, 3 to 6, 1 to 3 and 0 to 1.
    top, bottom = body(draw((0, 1), (0, 1), (0, 1), width=MARGIN + 2 + 2, height=2))
    assert top == chr(0x2800 + 0x80) + chr(0x2800 + 0x02 + 0x04 + 0x40 + 0x08 + 0x10)
    assert bottom == chr(0x2800 + 0x04 + 0x40 + 0x08 + 0x10 + 0x20) + EMPTY


def test_a_jump_leaves_no_gap():
    rows = body(draw((0, 0.5, 0.5001, 1), (0, 0, 1, 1), (0, 1), width=MARGIN + 2 + 10, height=6))
    assert all(set(row) != {EMPTY} for row in rows)


def test_what_lies_outside_is_not_drawn():
    rows = body(draw((0, 1), (5, 5), (0, 1), width=MARGIN + 2 + 4, height=3))
    assert all(set(row) == {EMPTY} for row in rows)


def test_axes_have_their_ends_and_0():
    lines = draw((-4, 4), (-1, 1), (-1, 1), width=40, height=9)
    assert all(len(line) == 40 for line in lines)
    assert [line[:MARGIN].strip() for line in lines[:-1]] == ["1", "", "", "", "0", "", "", "", "-1"]
    assert lines[-1].split() == ["-4", "4"]


def test_a_label_has_the_digits_of_the_axis():
    lines = draw((0, 1), (1e-17, 6.694), (1e-17, 6.694), width=40, height=5)
    assert [lines[0][:MARGIN].strip(), lines[4][:MARGIN].strip()] == ["6.7", "0"]
