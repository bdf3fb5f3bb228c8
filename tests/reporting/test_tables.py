import csv
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_jax.reporting.tables import FORMATS, render

ROWS = [
    {"layer": "inception (3a)", "parameters": 163696, "share": 0.023390, "unused": 1},
    {"layer": "linear", "parameters": 1025000},
]
COLUMNS = ["layer", "parameters", "share"]


def test_a_table_aligns_names_left_and_numbers_right():
    heading, rule, *body = render(ROWS, COLUMNS).split("\n")
    assert heading.split() == COLUMNS
    assert set(rule) <= {"─", " "}
    assert [line.split("  ")[0] for line in body] == ["inception (3a)", "linear"]
    right_edges = [line.index(text) + len(text) for line, text in zip(body, ["163,696", "1,025,000"], strict=True)]
    assert right_edges[0] == right_edges[1]
    assert "0.02339" in body[0]


def test_a_table_wraps_no_long_name_and_reads_no_markup():
    name = "[red]" + "x" * 300
    body = render([{"file": name, "class": "a\\[b]"}], ["file", "class"]).split("\n")[2]
    assert body.split() == [name, "a\\[b]"]


def test_json_keeps_values_exactly_and_only_the_columns():
    assert json.loads(render(ROWS, COLUMNS, "json")) == [
        {"layer": "inception (3a)", "parameters": 163696, "share": 0.023390},
        {"layer": "linear", "parameters": 1025000, "share": None},
    ]


@given(
    st.lists(
        st.fixed_dictionaries(
            {"a": st.text(), "b": st.floats(allow_nan=False, allow_infinity=False), "c": st.integers() | st.none()}
        )
    )
)
def test_json_reads_back(rows):
    assert json.loads(render(rows, ["a", "b", "c"], "json")) == rows


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                # CSV holds no NUL and no half of a surrogate pair; csv before Python 3.13 leaves a lone carriage
                # return unquoted.
                "a": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1),
                "b": st.floats(allow_nan=False, allow_infinity=False),
            }
        )
    )
)
def test_csv_reads_back(rows):
    read = list(csv.reader(io.StringIO(render(rows, ["a", "b"], "csv"), newline="")))
    assert read[0] == ["a", "b"]
    assert [(text, float(number)) for text, number in read[1:]] == [(row["a"], row["b"]) for row in rows]


def test_csv_has_one_line_end_for_every_system():
    assert render(ROWS, COLUMNS, "csv") == ("layer,parameters,share\ninception (3a),163696,0.02339\nlinear,1025000,")


def test_markdown_escapes_what_would_end_a_cell():
    assert render([{"name": "a|b", "top-1": 0.98765}], ["name", "top-1"], "markdown") == (
        "| name | top-1 |\n| :-- | --: |\n| a\\|b | 0.9877 |"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (23834568, "23,834,568"),
        (23834568.4, "23,834,568"),
        (0.00012345, "0.0001234"),
        (-5.0, "-5"),
        (1e20, "1e+20"),
        (True, "true"),
        (None, ""),
        (math.nan, ""),
        (np.float32(0.5), "0.5"),
        (np.int64(1234), "1,234"),
        ("1234", "1234"),
    ],
)
def test_how_a_person_reads_a_value(value, text):
    assert render([{"v": value}], ["v"], "markdown").split("\n")[2] == f"| {text} |"


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float32("-inf")])
def test_json_is_json_where_a_number_is_not_finite(value):
    assert json.loads(render([{"v": value}], ["v"], "json"), parse_constant=pytest.fail) == [{"v": None}]


@pytest.mark.parametrize(("format", "text"), [("json", "[]"), ("csv", "a,b"), ("markdown", "| a | b |\n| :-- | :-- |")])
def test_no_rows(format, text):
    assert render([], ["a", "b"], format) == text


def test_no_rows_is_still_a_headed_table():
    assert render([], ["a", "b"]).split("\n")[0].split() == ["a", "b"]


@pytest.mark.parametrize("format", FORMATS)
def test_no_format_ends_in_a_blank_line(format):
    assert not render(ROWS, COLUMNS, format).endswith("\n")


def test_an_unknown_format_names_those_that_exist():
    with pytest.raises(ValueError, match="one of table, json, csv, markdown, got 'yaml'"):
        render(ROWS, COLUMNS, "yaml")
