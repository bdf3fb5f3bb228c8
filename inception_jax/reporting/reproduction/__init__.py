"""A paper's table beside what was measured: runs, statistics, verdicts, and the pages that show them."""
