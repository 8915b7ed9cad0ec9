import importlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from labelbench_plus.algorithms import image_operations as op

# After our package, which makes torchvision importable beside a torch for CPUs.
reference = importlib.import_module("torchvision.transforms.v2.functional")


@pytest.fixture(params=[(5, 1, 9, 12), (4, 3, 16, 11)])
def images(request):
    levels = torch.randint(0, 256, request.param, generator=torch.Generator().manual_seed(0))
    levels[0, :, :4] = 7  # ties, and a part without contrast
    return levels.double() / 255


def pil(image):
    values = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)


def from_pil(picture):
    values = torch.as_tensor(np.array(picture)).double() / 255
    return values[None] if values.ndim == 2 else values.permute(2, 0, 1)


BLENDS = {
    op.brightness: (reference.adjust_brightness, ImageEnhance.Brightness),
    op.color: (reference.adjust_saturation, ImageEnhance.Color),
    op.contrast: (reference.adjust_contrast, ImageEnhance.Contrast),
    op.sharpness: (reference.adjust_sharpness, ImageEnhance.Sharpness),
}


@pytest.mark.parametrize("ours", BLENDS, ids=lambda ours: ours.__name__)
def test_blends_are_those_of_torchvision_one_image_at_a_time(images, ours):
    factors = torch.tensor([0.05, 0.5, 0.95, 0.0, 1.0])[: len(images)]
    if ours is op.color and images.shape[1] == 1:
        expected = images  # torchvision leaves grey images alone, and so do we
    else:
        theirs = BLENDS[ours][0]
        expected = torch.stack([theirs(image, float(factor)) for image, factor in zip(images, factors, strict=True)])
    torch.testing.assert_close(ours(images, factors), expected, atol=2e-4, rtol=0)


def test_equalize_is_that_of_pil(images):
    expected = torch.stack([from_pil(ImageOps.equalize(pil(image))) for image in images])
    torch.testing.assert_close(op.equalize(images), expected, atol=1e-9, rtol=0)


def test_auto_contrast_is_that_of_torchvision(images):
    constant = torch.full_like(images, 0.25)
    torch.testing.assert_close(op.auto_contrast(images), reference.autocontrast(images))
    assert torch.equal(op.auto_contrast(constant), constant)


def test_posterize_and_solarize_are_those_of_pil(images):
    for bits in (4, 6, 8):
        expected = torch.stack([from_pil(ImageOps.posterize(pil(image), bits)) for image in images])
        torch.testing.assert_close(op.posterize(images, torch.full((len(images),), bits)), expected)
    expected = torch.stack([from_pil(ImageOps.solarize(pil(image), 100)) for image in images])
    torch.testing.assert_close(
        op.solarize(images, torch.full((len(images),), 100 / 255, dtype=torch.float64)), expected
    )


def test_each_image_has_a_strength_of_its_own(images):
    bits, threshold = torch.arange(4, 4 + len(images)), torch.linspace(0.1, 0.9, len(images))
    for number in range(len(images)):
        one = slice(number, number + 1)
        assert torch.equal(op.posterize(images, bits)[one], op.posterize(images[one], bits[one]))
        assert torch.equal(op.solarize(images, threshold)[one], op.solarize(images[one], threshold[one]))


@pytest.mark.parametrize(
    ("rotation", "shear", "shift"),
    [(20.0, (0, 0), (0, 0)), (0.0, (0.2, 0), (0, 0)), (0.0, (0, -0.3), (0, 0)), (0.0, (0, 0), (0.25, -0.125))],
)
def test_affine_maps_are_those_of_torchvision(rotation, shear, shift):
    image = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    ours = op.affine(image, rotation * one, torch.tensor([shear]).double(), torch.tensor([shift]).double())
    degrees = [float(np.degrees(np.arctan(part))) for part in shear]
    theirs = reference.affine(
        image,
        angle=-rotation,
        translate=[round(shift[0] * 24), round(shift[1] * 16)],
        scale=1.0,
        shear=[-part for part in degrees],
        interpolation=reference.InterpolationMode.BILINEAR,
    )
    inner = (slice(None), slice(None), slice(5, -5), slice(7, -7))  # torchvision blends the border with its fill
    torch.testing.assert_close(ours[inner], theirs[inner], atol=1e-6, rtol=0)


def test_a_hole_is_black_and_the_rest_stays():
    images = torch.ones(3, 1, 8, 8)
    cut = op.cutout(images, torch.tensor([[4, 4], [0, 0], [7, 4]]), 4)
    assert cut[0, 0].sum() == 64 - 16
    assert (cut[0, 0, 2:6, 2:6] == 0).all()
    assert cut[1, 0].sum() == 64 - 4
    assert cut[2, 0].sum() == 64 - 12


def test_shifted_crops_continue_by_reflection():
    image = torch.arange(16.0).view(1, 1, 4, 4).repeat(2, 1, 1, 1)
    cut = op.shifted_crop(image, torch.tensor([[1, 1], [0, 2]]), 1)
    assert torch.equal(cut[0], image[0])
    assert torch.equal(cut[1, 0, 0], torch.tensor([5.0, 6.0, 7.0, 6.0]))


def test_flips_only_the_chosen():
    images = torch.rand(2, 3, 4, 4)
    flipped = op.flip(images, torch.tensor([True, False]))
    assert torch.equal(flipped[0], images[0].flip(2))
    assert torch.equal(flipped[1], images[1])
