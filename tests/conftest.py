"""Before any test module is read: without a GPU, Triton interprets its kernels, and whoever imports it first decides."""

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
