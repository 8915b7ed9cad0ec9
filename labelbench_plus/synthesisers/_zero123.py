"""Zero-1-to-3's parts, and how it is sampled (Liu et al., 2023, section 3)."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from labelbench_plus.content import hash_file
from labelbench_plus.contracts.synthesisers import Photographs
from labelbench_plus.models.weights import lent_generator, library
from labelbench_plus.seeding import torch_generator
from labelbench_plus.store.artefacts import Artefacts, default_cache_dir

VERSION = 1  # raised when sampling changes
FOLDERS = ("vae", "unet", "image_encoder", "scheduler", "cc_projection")
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
WAYS = (
    "Ways to get weights: (1) with a network: weights: pretrained (they stay in the hub's cache); (2) weights: folder "
    f"with folder: PATH, which holds {', '.join(FOLDERS)}"
)


@dataclass(frozen=True)
class Sampling:
    """How many steps are taken, and how: see the fields of the synthesiser `zero123`."""

    steps: int
    guidance: float
    eta: float


@dataclass(frozen=True)
class Parts:
    """Where the model's parts lie."""

    model: str
    weights: str
    folder: Path | None

    def path(self) -> Path:
        """The folder that holds them.

        Raises
        ------
        ValueError
            Weights and folder do not go together.
        FileNotFoundError
            They cannot be had; the message lists the ways.
        """
        if (self.folder is not None) != (self.weights == "folder"):
            raise ValueError("zero123: weights 'folder' and the field 'folder' go together")
        path = _from_hub(self.model) if self.folder is None else self.folder.expanduser().resolve()
        if lacking := [name for name in FOLDERS if not (path / name).is_dir()]:
            raise FileNotFoundError(f"zero123: {path} lacks {', '.join(lacking)}. {WAYS}")
        return path

    def fingerprint(self) -> str:
        """Hash of every file of the parts."""
        path = self.path()
        files = sorted(file for name in FOLDERS for file in (path / name).rglob("*") if file.is_file())
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.relative_to(path).as_posix()} {hash_file(file)}\n".encode())
        return digest.hexdigest()


class Generator:
    """The loaded parts."""

    def __init__(self, path: Path, device: str) -> None:
        diffusers, transformers = library("diffusers", "views"), library("transformers", "transformers")
        with lent_generator():
            self.vae = diffusers.AutoencoderKL.from_pretrained(path / "vae", local_files_only=True)
            self.unet = diffusers.UNet2DConditionModel.from_pretrained(path / "unet", local_files_only=True)
            self.encoder = transformers.CLIPVisionModelWithProjection.from_pretrained(
                path / "image_encoder", local_files_only=True
            )
        self.schedule = diffusers.DDIMScheduler.from_pretrained(path / "scheduler", local_files_only=True)
        self.weight, self.bias = (each.to(device) for each in _projection(path / "cc_projection"))
        for part in (self.vae, self.unet, self.encoder):
            part.to(device).eval().requires_grad_(False)
        self.device = device
        self.factor = 2 ** (len(self.vae.config.block_out_channels) - 1)

    @torch.no_grad()
    def sample(self, image: np.ndarray, azimuth: float, sampling: Sampling, generator: torch.Generator) -> np.ndarray:
        """(h, h, 3) uint8: the view of a photograph (h, h, 3) from an azimuth in degrees."""
        side = self.unet.config.sample_size * self.factor
        shown = torch.from_numpy(image.copy()).to(self.device).permute(2, 0, 1)[None].float() / 255
        condition = self._condition(shown, azimuth)
        latent = self.vae.encode(2 * _resized(shown, side) - 1).latent_dist.mode()
        beside = torch.cat([torch.zeros_like(latent), latent])
        both = torch.cat([torch.zeros_like(condition), condition])
        self.schedule.set_timesteps(sampling.steps, device=self.device)
        noise = torch.randn(latent.shape, generator=generator).to(self.device)
        found = noise * self.schedule.init_noise_sigma
        for step in self.schedule.timesteps:
            scaled = self.schedule.scale_model_input(torch.cat([found, found]), step)
            without, given = self.unet(torch.cat([scaled, beside], dim=1), step, both).sample.chunk(2)
            said = without + sampling.guidance * (given - without)
            fresh = torch.randn(latent.shape, generator=generator).to(self.device) if sampling.eta else None
            found = self.schedule.step(said, step, found, eta=sampling.eta, variance_noise=fresh).prev_sample
        picture = self.vae.decode(found / self.vae.config.scaling_factor).sample
        values = _resized((picture / 2 + 0.5).clamp(0, 1), image.shape[0]).clamp(0, 1)
        view: np.ndarray = (values[0].permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()
        return view

    def _condition(self, shown: Tensor, azimuth: float) -> Tensor:
        """(1, 1, d): the photograph's embedding and the turn (polar, sine and cosine of the azimuth, radius)."""
        mean, std = (torch.tensor(values, device=self.device).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
        seen = (_resized(shown, self.encoder.config.image_size).clamp(0, 1) - mean) / std
        embedding = self.encoder(seen).image_embeds
        angle = math.radians(azimuth)
        turn = torch.tensor([[0.0, math.sin(angle), math.cos(angle), 0.0]], device=self.device)
        return functional.linear(torch.cat([embedding, turn], dim=1), self.weight, self.bias)[:, None]


def drawn(
    parts: Parts, sampling: Sampling, device: str, photographs: Photographs, row: int, azimuth: float
) -> np.ndarray:
    """(h, h, 3) uint8: a view of one photograph, from the cache if it was ever drawn."""
    image = photographs.images[row]
    streams = photographs.of_row(row)
    key = {
        "zero123": VERSION,
        "weights": parts.fingerprint(),
        "sampling": vars(sampling),
        "image": hashlib.sha256(np.ascontiguousarray(image).data).hexdigest(),
        "side": int(image.shape[0]),
        "azimuth": float(azimuth),
        "draw": [streams.seed, *streams.key],
    }

    def compute(_: Any) -> dict[str, np.ndarray]:
        where = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        generator = torch_generator(streams.rng(f"zero123 {azimuth:g}"))
        return {"view": _opened(parts.path(), where).sample(image, azimuth, sampling, generator)}

    found: np.ndarray = Artefacts(default_cache_dir()).arrays(key, compute, what="a view by Zero-1-to-3")["view"]
    return found


def _resized(images: Tensor, side: int) -> Tensor:
    return functional.interpolate(images, (side, side), mode="bicubic", antialias=True, align_corners=False)


def _projection(folder: Path) -> tuple[Tensor, Tensor]:
    """Weight and bias of the layer that brings embedding and turn to what the model reads.

    Raises
    ------
    ValueError
        There is no such layer in the folder's files.
    """
    state: dict[str, Tensor] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix == ".safetensors":
            state |= library("safetensors.torch", "views").load_file(file)
        elif file.suffix in (".bin", ".pt"):
            state |= torch.load(file, map_location="cpu", weights_only=True)
    weights = [value for value in state.values() if value.ndim == 2]
    biases = [value for value in state.values() if value.ndim == 1]
    if len(weights) != 1 or len(biases) != 1:
        raise ValueError(f"zero123: expected one linear layer in {folder}, found tensors {sorted(state)}")
    return weights[0].float(), biases[0].float()


@cache
def _opened(path: Path, device: str) -> Generator:
    return Generator(path, device)


@cache
def _from_hub(model: str) -> Path:
    library("diffusers", "views")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=[f"{name}/*" for name in FOLDERS]))
    except Exception as error:  # the hub's client lets all kinds of network errors through
        raise FileNotFoundError(
            f"zero123: the files of {model!r} could not be obtained ({type(error).__name__}: {error}). {WAYS}"
        ) from error
