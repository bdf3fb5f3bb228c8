"""Loads an exported state dict into the PyTorch network that its sidecar names, strictly, and keeps its logits.

python -m tests.goldens.load_export FILE.safetensors LOGITS.npy
"""
# pyright: reportMissingImports=false

import json
import sys
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from safetensors.torch import load_file

from tests import seeded

if __name__ == "__main__":
    path, out = map(Path, sys.argv[1:])
    described = json.loads(path.with_name(f"{path.name}.json").read_text())
    # the line that the sidecar gives a person; both names are what it may use
    network = eval(described["network_there"], {"torchvision": torchvision, "timm": timm})
    network.load_state_dict(load_file(path), strict=True)
    images = torch.from_numpy(seeded.images(2, described["preprocessing"]["size"]).transpose(0, 3, 1, 2).copy())
    with torch.inference_mode():
        np.save(out, network.eval()(images).numpy())
