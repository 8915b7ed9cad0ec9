import numpy as np
import pytest
from PIL import Image

from labelbench_plus.budget import Ledger
from labelbench_plus.features.decoded import decoded, square
from labelbench_plus.inputs.image_files import FolderImages, ImageFiles
from labelbench_plus.plugins import registry
from labelbench_plus.problems import Place
from labelbench_plus.seeding import Streams


@pytest.fixture
def folder(tmp_path):
    """Two classes of images of different sizes, as folders: dark ones and bright ones."""
    rng = np.random.default_rng(0)
    for number in range(30):
        kind, shape = ("bright", "dark")[number % 2], (20 + number, 30, 3)
        pixels = rng.integers(0, 100, shape) + (120 if kind == "bright" else 0)
        (tmp_path / "images" / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / kind / f"{number}.png")
    return tmp_path / "images"


def test_images_are_decoded_once_to_squares(folder, tmp_path, monkeypatch):
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    files = ImageFiles(FolderImages(folder, names))
    once = decoded(files, 16, tmp_path / "cache")
    assert once.shape == (30, 16, 16, 3)
    assert np.array_equal(once[7], square(files.decode(7), 16))
    monkeypatch.setattr(ImageFiles, "decode", None)
    assert np.array_equal(decoded(files, 16, tmp_path / "cache"), once)


def test_a_square_is_the_middle_of_the_shorter_side_resized():
    pixels = np.zeros((20, 60, 3), dtype=np.uint8)
    pixels[:, 20:40] = 255
    assert (square(pixels, 20) == 255).all()
    assert square(pixels, 10).shape == square(pixels.transpose(1, 0, 2), 10).shape == (10, 10, 3)


def test_semi_supervised_training_on_images_in_files(folder, tmp_path, monkeypatch):
    """End to end needs a network with a size; features of augmented copies need none."""
    problem = registry("problems").build(
        {
            "name": "classification",
            "dataset": {"name": "image_folder", "path": str(folder)},
            "encoder": {
                "name": "timm",
                "model": "tf_efficientnet_lite0",
                "weights": "random-plumbing-test",
                "image_size": 32,
            },
        }
    )
    assert problem.raw_inputs() == {"images"}
    instance, ledger = problem.open(Place(tmp_path / "cache"), Streams(0)), Ledger()
    instance.oracle.answer(np.arange(6), 6.0, ledger)
    data = instance.training_data(ledger, with_validation=False)
    common = {"name": "fixmatch", "steps": 2, "batch": 4, "ratio": 1, "copies": 1}
    trainer = registry("trainers").build({**common, "network": "linear"})
    assert instance.evaluate(trainer.fit(data, Streams(0), None))["nll"] > 0
    with pytest.raises(ValueError, match="images of different sizes"):
        registry("trainers").build({**common, "network": "small_cnn"}).fit(data, Streams(0), None)
    network = {"name": "timm", "model": "test_resnet", "weights": "scratch", "size": 32}
    trainer = registry("trainers").build({**common, "network": network})
    model = trainer.fit(data, Streams(0), None)
    monkeypatch.setattr(ImageFiles, "content_hash", lambda files: pytest.fail("hashed at every look"))
    data.inputs.pool_images(32)
    monkeypatch.undo()
    assert instance.evaluate(model)["nll"] > 0
