"""`inception-jax prepare` of archives whose sums TFDS does not know, many in one process: TensorFlow loads slowly.

TFDS checks the files that it downloads, or finds in the manual directory instead, by their sums. Those of a miniature
are its own.
"""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import tensorflow_datasets
from tensorflow_datasets.core.download import checksums

from inception_jax.cli.main import main


def run(name: str, manual_dir: str, data_dir: str) -> dict[str, Any]:
    """Exit code, output and errors of the command, and what is then in the data set's folder."""
    base = name.partition("/")[0]
    builder: Any = tensorflow_datasets.builder_cls(base)
    known = builder.url_infos or {}
    files = {url: Path(manual_dir) / (info.filename or "") for url, info in known.items()}
    own = {url: checksums.compute_url_info(file) for url, file in files.items() if file.is_file()}
    builder.url_infos = {**known, **own}
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = main(["prepare", name, f"--manual-dir={manual_dir}", f"--data-dir={data_dir}"])
    there = sorted(path.name for path in (Path(data_dir) / base).glob("*"))
    return {"code": code, "out": out.getvalue(), "errors": errors.getvalue(), "there": there}


if __name__ == "__main__":
    print(json.dumps([run(*arguments) for arguments in json.loads(sys.argv[1])]))
