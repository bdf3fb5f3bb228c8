"""Contenders `torchvision` and `timm` of `benchmarks/input.py`: Pillow in processes; runs in `.venv-peers`."""
# pyright: reportMissingImports=false

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import PIL
import timm
import torch
import torchvision
from timm.data import create_dataset, create_loader
from torchvision import transforms

from benchmarks.worker import Absent, Task, Work, serve


def build(task: Task) -> Work:
    """Random crops of 8 to 100 % at aspects of 3/4 to 4/3, as bytes; no mirror, no scaling of values."""
    torch.set_num_threads(1)
    if task.network == "torchvision":
        crop = transforms.Compose([transforms.RandomResizedCrop(task.image_size), transforms.PILToTensor()])
        loader: Any = torch.utils.data.DataLoader(
            torchvision.datasets.ImageFolder(task.images, crop),
            batch_size=task.batch,
            shuffle=True,
            drop_last=True,
            num_workers=task.workers,
            persistent_workers=True,
        )
    elif task.network == "timm":
        loader = create_loader(
            create_dataset("", root=task.images, is_training=True),
            input_size=(3, task.image_size, task.image_size),
            batch_size=task.batch,
            is_training=True,
            hflip=0.0,
            color_jitter=None,
            interpolation="bilinear",
            num_workers=task.workers,
            use_prefetcher=True,  # the workers send bytes
            device=torch.device("cpu"),
        ).loader
    else:
        raise Absent(f"it has no {task.network}")
    batches: Iterator[Any] = itertools.chain.from_iterable(iter(loader) for _ in itertools.count())
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "Pillow": PIL.__version__}
    if task.network == "timm":
        versions["timm"] = timm.__version__
    return Work(lambda: float(next(batches)[0][:, :, ::16, ::16].float().mean()), 0, None, versions, ahead=12)


if __name__ == "__main__":
    serve(build)
