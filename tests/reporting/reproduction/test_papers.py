import pytest

from inception_jax.reporting.published import published
from inception_jax.reporting.reproduction.papers import UnknownTable, paper_table, paper_tables
from tests.reporting.reproduction.made_runs import BY_NAME

CLAIMS = [(table, claim) for table in paper_tables().values() for claim in table.claims]
COMPARISONS = ("lower_error", "not_worse", "fewer_steps", "never_reaches", "cheaper")


def test_every_published_row_is_in_one_table_of_its_source():
    rows = [row for table in paper_tables().values() for row in table.rows]
    assert sorted(row.id for row in rows) == sorted(published())
    for table in paper_tables().values():
        assert len({row.source for row in table.rows}) <= 1


def test_a_table_is_called_as_one_would_call_it():
    assert [row.id for row in paper_table("rethinking-table-3").rows] == [f"R{i}" for i in range(4, 12)]
    assert paper_table("inception-v4-table-2").rows[0].id == "V1"


@pytest.mark.parametrize("name", ["rethinking-table3", "Rethinking-Table-3", "bn-fig-3"])
def test_an_unknown_table_is_answered_with_near_names(name):
    near = "bn-figure-3" if name.startswith("bn") else "rethinking-table-3"
    with pytest.raises(UnknownTable, match=rf"no table '{name}'; did you mean .*{near}"):
        paper_table(name)


def test_a_name_like_no_other_is_answered_with_the_list():
    with pytest.raises(UnknownTable, match=r"no table 'xyzzy'; `inception-jax report --list`"):
        paper_table("xyzzy")


@pytest.mark.parametrize(
    ("table", "claim"), CLAIMS, ids=lambda value: getattr(value, "says", getattr(value, "name", ""))
)
def test_a_claim_compares_experiments_of_its_table_and_cites_the_paper(table, claim):
    ids = {row.id for row in table.rows}
    for name in filter(None, (claim.of, claim.than, claim.target)):
        assert ids & set(BY_NAME[name].rows) or name in table.also
    assert bool(claim.than) == (claim.kind in COMPARISONS)
    assert claim.where.startswith("arXiv ")
    assert claim.says.endswith(".")


def test_claims_of_lower_errors_are_those_that_the_numbers_print():
    compared = 0
    for table, claim in CLAIMS:
        if claim.kind != "lower_error":
            continue
        errors = [
            next((row.top1_error for row in table.rows if row.id in BY_NAME[name].rows), None)
            for name in (claim.of, claim.than)
        ]
        if errors[0] is not None and errors[1] is not None:
            assert errors[0] < errors[1], claim.says
            compared += 1
    assert compared >= 9
