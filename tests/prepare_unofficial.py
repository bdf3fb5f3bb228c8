"""`inception-jax prepare` of archives whose sums TFDS does not know: `prepare_unofficial.py ARGUMENT…`.

TFDS checks the files that it downloads, or finds in the manual directory instead, by their sums. Those of a miniature
are its own.
"""

import sys
from pathlib import Path

import tensorflow_datasets
from tensorflow_datasets.core.download import checksums

from inception_jax.cli.main import main

if __name__ == "__main__":
    arguments = sys.argv[1:]
    folder = next(Path(a.partition("=")[2]) for a in arguments if a.startswith("--manual-dir="))
    builder = tensorflow_datasets.builder_cls(arguments[1].partition("/")[0])
    known = builder.url_infos or {}
    own = {
        url: checksums.compute_url_info(folder / info.filename)
        for url, info in known.items()
        if info.filename and (folder / info.filename).exists()
    }
    builder.url_infos = {**known, **own}
    sys.exit(main(arguments))
