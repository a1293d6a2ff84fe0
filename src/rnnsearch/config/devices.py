"""Checks the devices before a training begins."""

import re
from typing import Any

from omegaconf import DictConfig, ListConfig


def check_devices(trainer: DictConfig) -> None:
    """Refuse devices that don't exist and settings they don't support, before anything is prepared.

    Raises:
        ValueError: naming what exists.
    """
    import torch

    there, accelerator = torch.cuda.device_count(), trainer.accelerator
    if accelerator in ("gpu", "cuda") and there == 0:
        raise ValueError(
            f"trainer.accelerator={accelerator}: torch sees no GPU here; take trainer=cpu, trainer=ddp_cpu for several "
            "processes, or a torch with CUDA for the driver of this machine"
        )
    mps = torch.backends.mps.is_available()
    if accelerator == "mps" and not mps:
        raise ValueError("trainer.accelerator=mps: torch sees no Apple GPU here; take trainer=cpu")
    if accelerator == "cpu" or (accelerator == "auto" and not there and not mps):
        _check_processor(trainer)
    elif accelerator != "mps":
        _check_gpus(trainer.devices, there)


def _check_processor(trainer: DictConfig) -> None:
    if str(trainer.strategy).startswith("fsdp"):
        raise ValueError(f"trainer.strategy={trainer.strategy} needs GPUs; take trainer=ddp_cpu for processes of a CPU")
    if trainer.precision == "16-mixed":
        raise ValueError(
            "trainer.precision=16-mixed needs a GPU, and this trains on the CPU; take 32-true, or bf16-mixed"
        )
    devices = str(trainer.devices).rstrip(",")
    if not (devices == "auto" or (devices.isdecimal() and int(devices) > 0)):
        raise ValueError(
            f"trainer.devices={trainer.devices} names GPUs, and this trains on the CPU; give a number of processes, "
            "such as trainer.devices=1"
        )


def _check_gpus(devices: Any, there: int) -> None:
    if type(devices) is int and devices > there:
        raise ValueError(f"trainer.devices={devices}: this machine has {there}; give at most as many")
    named = re.findall(r"\d+", devices) if isinstance(devices, str) and "," in devices else devices
    if isinstance(named, list | ListConfig) and any(int(index) >= there for index in named):
        raise ValueError(f"trainer.devices={devices}: this machine has GPUs 0 to {there - 1}; name some of these")
