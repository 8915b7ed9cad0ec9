import numpy as np
import pytest

from labelbench_plus.source_tasks.corruptions import CORRUPTIONS, corrupt


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    found = np.zeros((3, 28, 28), dtype=np.uint8)
    found[0, 8:20, 10:18], found[1, 4:24, 13:15], found[2, 14, 14] = 200, 255, 255
    return found


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_corruption_gives_other_images_of_the_same_kind_by_the_generator_alone(images, name):
    spoiled = corrupt(images, name, np.random.default_rng(0))
    assert spoiled.shape == images.shape
    assert spoiled.dtype == np.uint8
    assert np.array_equal(spoiled, corrupt(images, name, np.random.default_rng(0)))
    assert np.array_equal(spoiled, images) == (name == "identity")
    random = {"shot_noise", "impulse_noise", "glass_blur", "fog", "spatter", "dotted_line", "zigzag"}
    assert np.array_equal(spoiled, corrupt(images, name, np.random.default_rng(1))) == (name not in random)


def test_there_are_fifteen_and_none():
    assert len(CORRUPTIONS) == 16
    with pytest.raises(ValueError, match="unknown corruption 'snow'"):
        corrupt(np.zeros((1, 28, 28), dtype=np.uint8), "snow", np.random.default_rng(0))


def test_pictures_move_as_their_names_say(images):
    dot, rng = images[2:], np.random.default_rng(0)

    def centre(name: str, picture: np.ndarray) -> np.ndarray:
        weight = corrupt(picture, name, rng)[0].astype(float)
        return np.array([(weight.sum(axis=1) @ np.arange(28)), weight.sum(axis=0) @ np.arange(28)]) / weight.sum()

    assert centre("translate", dot) == pytest.approx([19, 18])
    off = np.zeros((1, 28, 28), dtype=np.uint8)
    off[0, 13:15, 22:24] = 255
    assert centre("scale", off) == pytest.approx([13.5, 13.5 + 9 / 1.6], abs=0.4)
    turned = centre("rotate", off) - 13.5
    assert np.linalg.norm(turned) == pytest.approx(9, abs=0.3)
    assert abs(np.rad2deg(np.arctan2(*turned))) == pytest.approx(30, abs=2)
    assert corrupt(dot, "motion_blur", rng)[0, 14, 14] == 36  # a seventh of 255
    assert corrupt(dot, "stripe", rng)[0, 0, 9:19].tolist() == [255] * 10
    assert corrupt(dot, "brightness", rng).min() == 115
