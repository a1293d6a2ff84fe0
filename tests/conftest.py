"""Before any test module is read: without a GPU, Triton interprets its kernels, if so told before it is imported."""

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
