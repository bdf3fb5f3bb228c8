"""`inception-jax ensemble`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from inception_jax.cli.config_flags import add_config_argument
from inception_jax.cli.counted import errors, for_a_person
from inception_jax.cli.many_processes import add_job_arguments, join_job
from inception_jax.cli.members import Member, compute_members, members_of_files
from inception_jax.distributed.mesh import make_mesh
from inception_jax.errors import UserError
from inception_jax.evaluation.ensemble import AVERAGES, Hits, growing, hits
from inception_jax.evaluation.predictions import Predictions, load_predictions
from inception_jax.evaluation.published import printed
from inception_jax.reporting import files
from inception_jax.reporting.tables import FORMATS, render

_PROTOCOLS = ("single", "10", "12", "144")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument(
        "members",
        nargs="+",
        type=Path,
        metavar="MEMBER",
        help="a run directory, a weights file (.safetensors) or a file of predictions (.npz), in any mixture",
    )
    parser.add_argument(
        "--protocols",
        type=_list_of(_PROTOCOLS),
        metavar="single,10,12,144",
        help="views of each image; default: single,10,144, of prediction files those that all have",
    )
    parser.add_argument(
        "--sizes", type=_sizes, metavar="N,N", help="rows of the first N members as one; default: all members"
    )
    parser.add_argument("--each", action="store_true", help="rows of every member alone, not only of the best")
    parser.add_argument(
        "--members-average",
        choices=AVERAGES,
        default="probabilities",
        help="how the answers of the members become one; default: probabilities",
    )
    parser.add_argument(
        "--average",
        metavar="probabilities|logits|max",
        help="how the answers to the views of an image become one; default: config.evaluation.average",
    )
    parser.add_argument(
        "--checkpoint", default="best", choices=("best", "newest"), help="which of each run; default: best"
    )
    parser.add_argument("--data", metavar="tfds:NAME|folder:PATH", help="the images; default: those of the runs")
    parser.add_argument("--split", help="the split, or a slice of one: test[:50%%]; default: config.data.eval_split")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="keeps the answers of every member, so that another member or protocol costs no more than itself",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE.csv|json|md|npz",
        help="the answers of the largest ensemble under the last protocol, as those of `evaluate`",
    )
    parser.add_argument("--format", choices=FORMATS, default="table", help="how the result is printed")
    add_config_argument(parser, "where images come from; changes of fields go for every member")
    add_job_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the table; every member answers once under every protocol."""
    join_job(arguments)
    main = jax.process_index() == 0
    if arguments.predictions and main:
        files.require_new(arguments.predictions, (*files.FORMATS, ".npz"))
    with tempfile.TemporaryDirectory(prefix="inception-jax-") as scratch:
        members = _members(arguments, arguments.cache or Path(scratch))
        if not main:
            return 0  # the first process has the answers
        protocols = _protocols(arguments.protocols, members)
        sizes = arguments.sizes or [len(members)]
        if max(sizes) > len(members):
            raise UserError(f"--sizes {max(sizes)}: there are only {len(members)} members")
        # One member is a row of its own already.
        table = _Table(members, protocols, [size for size in sizes if size > 1], arguments.members_average)
        rows = table.rows(each=arguments.each)
        print(_rendered(rows, members, arguments.format), flush=True)
        if path := arguments.predictions:
            _write(path, table.last, rows[-1])
    return 0


class _Table:
    """Models x crops, as table 3 of Going Deeper with Convolutions."""

    def __init__(self, members: Sequence[Member], protocols: Sequence[str], sizes: Sequence[int], average: str) -> None:
        self._members, self._protocols, self._sizes = members, protocols, sizes
        self._hits: dict[tuple[tuple[int, ...], str], Hits] = {}
        for protocol in protocols:
            readers = [(member.name, self._reader(i, protocol)) for i, member in enumerate(members)]
            for size, predictions in enumerate(growing(readers, average), 1):
                self.last = predictions
                self._hits[tuple(range(size)), protocol] = hits(predictions)

    def _reader(self, i: int, protocol: str) -> Callable[[], Predictions]:
        def read() -> Predictions:
            predictions, _ = load_predictions(self._members[i].cells[protocol].path)
            self._hits[(i,), protocol] = hits(predictions)
            return predictions

        return read

    def rows(self, *, each: bool) -> list[dict[str, Any]]:
        """One a cell; the base of all is the member with the fewest top-1 errors under the first protocol."""
        alone = range(len(self._members))
        best = max(alone, key=lambda i: self._hits[(i,), self._protocols[0]].top1)
        singles = [(i,) for i in alone] if each else [(best,)]
        base = self._row((best,), self._protocols[0])
        rows = []
        for who in [*singles, *(tuple(range(size)) for size in self._sizes)]:
            for protocol in self._protocols:
                row = self._row(who, protocol)
                gains = {f"{name}_against_base": row[f"{name}_error"] - base[f"{name}_error"] for name in _BOTH}
                rows.append({**row, **gains, **self._printed(who, row["crops"])})
        return rows

    def _row(self, who: tuple[int, ...], protocol: str) -> dict[str, Any]:
        found, crops = self._hits[who, protocol], self._members[who[0]].cells[protocol].views
        return {
            "models": len(who),
            "protocol": protocol,
            "crops": crops,
            "cost": len(who) * crops,
            "members": who,
            "images": found.images,
            **errors(found.images, top1=found.top1, top5=found.top5),
        }

    def _printed(self, who: tuple[int, ...], crops: int) -> dict[str, Any]:
        """What a paper prints of such networks, where the classes are as many as ImageNet's."""
        paper = printed([self._members[i].network for i in who], crops)
        if paper is None or len(self.last.class_names) != 1000:
            return dict.fromkeys(("paper_top1_error", "paper_top5_error", "paper"))
        top1 = None if paper.top1 is None else paper.top1 / 100
        return {"paper_top1_error": top1, "paper_top5_error": paper.top5 / 100, "paper": paper.where}


_BOTH = ("top1", "top5")


def _members(arguments: argparse.Namespace, folder: Path) -> list[Member]:
    """In the order in which they are named; prediction files of the same weights stand where the first of them does."""
    given: list[Path] = arguments.members
    if repeated := [path for path in given if given.count(path) > 1]:
        raise UserError(f"{repeated[0]} is named twice; a member counts once")
    from_files = members_of_files([path for path in given if path.suffix == ".npz"])
    weights = [path for path in given if path.suffix != ".npz"]
    if not weights:
        return from_files
    computed = compute_members(
        weights,
        arguments.checkpoint,
        arguments.protocols or ["single", "10", "144"],
        arguments.config_flags,
        {"data.source": arguments.data, "evaluation.average": arguments.average},
        arguments.split,
        folder,
        make_mesh(),
    )
    members = {id(member): place for member in from_files for place in [_first(given, member)]}
    members |= {id(member): given.index(path) for member, path in zip(computed, weights, strict=True)}
    return sorted([*from_files, *computed], key=lambda member: members[id(member)])


def _first(given: Sequence[Path], member: Member) -> int:
    return min(given.index(cell.path) for cell in member.cells.values())


def _protocols(wanted: Sequence[str] | None, members: Sequence[Member]) -> list[str]:
    """Those that are asked for, or that all members have, in the order of their costs."""
    protocols = wanted or [name for name in _PROTOCOLS if all(name in member.cells for member in members)]
    for member in members:
        if lacking := [name for name in protocols if name not in member.cells]:
            raise UserError(f"{member.name} has no answers under protocol {lacking[0]}; it has {_list(member)}")
    if not protocols:
        each = "; ".join(f"{member.name}: {_list(member)}" for member in members)
        raise UserError(f"there is no protocol under which all members answered ({each})")
    return list(protocols)


def _list(member: Member) -> str:
    return ", ".join(member.cells)


def _rendered(rows: Sequence[dict[str, Any]], members: Sequence[Member], format: str) -> str:
    """All numbers and names in JSON and CSV; for a person per cent, and the members by number with a legend."""
    if format in ("json", "csv"):
        named = [{**row, "members": "; ".join(members[i].name for i in row["members"])} for row in rows]
        return render(named, list(named[0]), format)
    shown = []
    for row in rows:
        line = for_a_person({**row, "members": _numbers(row["members"])})
        for name in _BOTH:
            gain = line.pop(f"{name}_against_base")
            line[f"top-{name[3:]} against base"] = f"{100 * gain:+.2f}"
        for name in _BOTH:
            if (number := row[f"paper_{name}_error"]) is not None:
                line[f"paper's top-{name[3:]} error"] = f"{100 * number:.4g}"
        if paper := line.pop("paper", None):
            line["paper"] = paper
        shown.append(line)
    columns = list(dict.fromkeys(name for line in shown for name in line))
    named = [f"{member.name} ({member.network})" if member.network else member.name for member in members]
    legend = [f"{i}: {name}" for i, name in enumerate(named, 1)]
    gap = "\n\n" if format == "markdown" else "\n"
    return render(shown, columns, format) + "\n\n" + gap.join(legend)


def _numbers(members: Sequence[int]) -> str:
    """From 1; those of an ensemble are the first few."""
    return str(members[0] + 1) if len(members) == 1 else f"1 to {len(members)}"


def _write(path: Path, predictions: Predictions, row: dict[str, Any]) -> None:
    if path.suffix == ".npz":
        about = {"protocol": row["protocol"], "views": row["crops"], "models": row["models"]}
        with files.new_file(path) as file:
            predictions.save(file, about)
    else:
        files.write_rows(path, predictions.rows(), predictions.columns())


def _list_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = list(dict.fromkeys(text.split(",")))
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
        return chosen

    return names


def _sizes(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"numbers of members such as 2,4,7, not {text!r}")
    return sorted({int(part) for part in parts})
