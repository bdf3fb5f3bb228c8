from inception_jax.reporting.published import published


def test_rows_are_those_that_were_read_in_a_source():
    rows = published()
    assert len(rows) == 127
    assert {row.status for row in rows.values()} == {"PAPER-TEXT", "PRIMARY", "SECONDARY"}


def test_a_row_says_what_is_printed():
    row = published()["R11"]
    assert (row.top1_error, row.top5_error, row.crops, row.images) == (21.2, 5.6, "1", "48238")
    assert "Table 3" in row.source
    assert published()["G1"].top1_error is None


def test_errors_are_in_per_cent_and_in_order():
    for row in published().values():
        for error in (row.top1_error, row.top5_error):
            assert error is None or 0 < error < 100
        if row.top1_error and row.top5_error:
            assert row.top5_error < row.top1_error
