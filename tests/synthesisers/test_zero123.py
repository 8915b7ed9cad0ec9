"""Zero-1-to-3 by its parts, on tiny random ones: the road, not the pictures."""

import numpy as np
import pytest
import torch

from labelbench_plus.models.weights import library
from labelbench_plus.seeding import Streams
from labelbench_plus.synthesisers import Photographs, synthesisers
from labelbench_plus.testing import check_synthesiser

WIDTH = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    try:
        diffusers, transformers = library("diffusers", "views"), library("transformers", "transformers")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    path = tmp_path_factory.mktemp("zero123")
    before = torch.random.get_rng_state()
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=8, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH, attention_head_dim=4, norm_num_groups=4,
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(4, 8), norm_num_groups=4, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    config = transformers.CLIPVisionConfig(hidden_size=WIDTH, intermediate_size=24, num_hidden_layers=1, patch_size=8,
                                           num_attention_heads=2, image_size=16, projection_dim=WIDTH)  # fmt: skip
    encoder = transformers.CLIPVisionModelWithProjection(config)
    for name, part in (("unet", unet), ("vae", vae), ("image_encoder", encoder)):
        part.save_pretrained(path / name)
    diffusers.DDIMScheduler(num_train_timesteps=50).save_pretrained(path / "scheduler")
    projection = torch.nn.Linear(WIDTH + 4, WIDTH)
    torch.random.set_rng_state(before)
    (path / "cc_projection").mkdir()
    state = {f"projection.{name}": value.detach() for name, value in projection.state_dict().items()}
    library("safetensors.torch", "views").save_file(state, path / "cc_projection" / "model.safetensors")
    return path


def built(folder, **fields):
    said = {"name": "zero123", "model": "tiny", "weights": "folder", "folder": str(folder), "steps": 2, **fields}
    return synthesisers.build(said)


def test_it_draws_views_that_depend_on_photograph_and_angle(folder):
    rng = np.random.default_rng(0)
    shown = Photographs(rng.integers(256, size=(2, 16, 16, 3)).astype(np.uint8), "pool", None, Streams(1))
    views = built(folder).views(shown, np.array([0, 1]), (-90.0, 90.0))
    assert views.shape == (2, 2, 16, 16, 3) and views.dtype == np.uint8
    assert not np.array_equal(views[0, 0], views[0, 1]) and not np.array_equal(views[0, 0], views[1, 0])
    more = built(folder, guidance=8.0, eta=0.0).views(shown, np.array([0]), (90.0,))
    assert not np.array_equal(more[0, 0], views[0, 1])
    report = check_synthesiser(built(folder))
    assert report.passed, str(report)


def test_guidance_of_one_is_the_conditioned_model_alone(folder):
    """Without noise on the way the first step is DDIM's, from what the model says under the condition."""
    from labelbench_plus.synthesisers._zero123 import Generator, Sampling

    generator = Generator(folder, "cpu")
    image = np.full((16, 16, 3), 90, np.uint8)
    found = generator.sample(image, 90.0, Sampling(1, 1.0, 0.0), torch.Generator().manual_seed(3))
    shown = torch.full((1, 3, 16, 16), 90 / 255)
    with torch.no_grad():
        latent = generator.vae.encode(2 * shown - 1).latent_dist.mode()
        noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(3))
        (step,) = generator.schedule.timesteps
        said = generator.unet(torch.cat([noise, latent], dim=1), step, generator._condition(shown, 90.0)).sample
        kept = generator.schedule.alphas_cumprod[step]
        clean = ((noise - (1 - kept).sqrt() * said) / kept.sqrt()).clamp(-1, 1)
        last = generator.schedule.final_alpha_cumprod
        direction = (noise - kept.sqrt() * clean) / (1 - kept).sqrt()
        wanted = generator.vae.decode(
            (last.sqrt() * clean + (1 - last).sqrt() * direction) / generator.vae.config.scaling_factor
        ).sample
    slow = ((wanted / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0) * 255).round().numpy()
    assert np.abs(found - slow).max() <= 1


def test_what_is_missing_is_said(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lacks vae, unet.* Ways to get weights"):
        built(tmp_path).fingerprint()
    with pytest.raises(ValueError, match="go together"):
        synthesisers.build({"name": "zero123", "model": "x", "weights": "folder"}).fingerprint()
    assert built(folder).fingerprint() == built(folder, steps=5).fingerprint()
