"""Contenders `torch` and `torch-bf16`: torchvision and timm, channels last; runs in `.venv-peers`."""
# pyright: reportMissingImports=false

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import timm
import torch
import torchvision
from torch.nn.functional import cross_entropy

from benchmarks.worker import Absent, Task, Work, serve

NETWORKS: dict[str, Callable[[int], Any]] = {
    "googlenet": lambda classes: torchvision.models.googlenet(num_classes=classes, init_weights=False),
    "inception_v3": lambda classes: torchvision.models.inception_v3(num_classes=classes, init_weights=False),
    "inception_v4": lambda classes: timm.create_model("inception_v4", num_classes=classes),
    "inception_resnet_v2": lambda classes: timm.create_model("inception_resnet_v2", num_classes=classes),
}


def build(task: Task) -> Work:
    """The usual eager step: autocast if bfloat16, the auxiliary losses at weight 0.3, momentum SGD."""
    if task.network not in NETWORKS:
        raise Absent(f"neither torchvision nor timm has {task.network}")
    # Left to itself torch counts cores, and misses half of those that a virtual machine shows as threads.
    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(0)
    training = task.mode == "train"
    model = NETWORKS[task.network](task.classes).to(memory_format=torch.channels_last).train(training)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    images = torch.randint(0, 256, (task.batch, 3, task.image_size, task.image_size), dtype=torch.uint8)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, task.classes, (task.batch,))

    def forward() -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=task.dtype == "bfloat16"):
            output = model(images.float() / 127.5 - 1)
        logits, *others = output if isinstance(output, tuple) else (output,)
        return cross_entropy(logits.float(), labels) + sum(
            0.3 * cross_entropy(other.float(), labels) for other in others if other is not None
        )

    def train() -> float:
        optimizer.zero_grad()
        loss = forward()
        loss.backward()
        optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def infer() -> float:
        return forward().item()

    versions = {module.__name__: module.__version__ for module in (torch, torchvision, timm)}
    return Work(train if training else infer, sum(p.numel() for p in model.parameters()), None, versions)


if __name__ == "__main__":
    serve(build)
