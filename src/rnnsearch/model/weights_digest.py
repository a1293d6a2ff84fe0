"""The digest of a model's weights, by which a record, an evaluation and a contrast say of which model they speak."""

import hashlib

import torch

from rnnsearch.model.translator import Translator


def weights_sha256(translator: Translator) -> str:
    """SHA-256 over names, shapes and values of all weights."""
    digest = hashlib.sha256()
    for name, value in sorted(translator.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
