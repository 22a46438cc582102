#!/usr/bin/env python3
"""Makes src/ml/encoder/transformer/packed_linear.pt: names for operations of libtorch that it gives to TorchScript alone.

oneDNN's linear layer with weights in its own order, and with what follows the product done in the same pass. The file
holds code of a few lines and no numbers.

    $(python3 scripts/reference_env.py) scripts/packed_linear.py
"""

import io
import zipfile
from pathlib import Path
from typing import List, Optional, Union

import torch

OUT = Path(__file__).resolve().parent.parent / "src/ml/encoder/transformer/packed_linear.pt"


class PackedLinear(torch.nn.Module):
    @torch.jit.export
    def pack(self, weight: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._reorder_linear_weight(weight, None)

    @torch.jit.export
    def gelu(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        none: List[Optional[Union[int, float, complex]]] = []
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", none, "none")

    @torch.jit.export
    def add(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, other, weight, bias, "add")

    def forward(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        none: List[Optional[Union[int, float, complex]]] = []
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", none, "")


made = zipfile.ZipFile(io.BytesIO(torch.jit.script(PackedLinear()).save_to_buffer()))
with zipfile.ZipFile(OUT, "w", zipfile.ZIP_STORED) as file:
    for name in made.namelist():
        # Not what tells where this script lies.
        if not name.endswith((".debug_pkl", "/serialization_id")):
            file.writestr(zipfile.ZipInfo(name), made.read(name))
print(f"{OUT}: {OUT.stat().st_size} bytes")
