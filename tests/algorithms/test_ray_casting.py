"""Pictures of scenes against a ray at a time, known cameras, and what mirrors and hiding demand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from labelbench_plus.algorithms import ray_casting
from labelbench_plus.algorithms.ray_casting import BOX, SPHERE, Scenes, render, seen_from

CAMERAS = json.loads((Path(__file__).parent / "known_views.json").read_text())["cameras"]["cases"]
COLOURS = np.array([[250.0, 0.0, 0.0], [0.0, 0.0, 250.0]])


def some(count=6, elevation=0.0, floor=False, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-0.8, 0.8, (count, 2, 3))
    if floor:
        centres[..., 1] += 0.9
    kinds = np.array([[row % 2, (row // 2) % 2] for row in range(count)])
    return Scenes(kinds, centres, rng.uniform(0.2, 0.5, (count, 2)), COLOURS, elevation, floor)


def one_ray(scenes, row, azimuth, x, y, side):
    """The colour of one pixel, from vectors and nothing clever."""
    a, e = math.radians(azimuth), math.radians(scenes.elevation)
    backward = np.array([math.cos(e) * math.sin(a), math.sin(e), math.cos(e) * math.cos(a)])
    right = np.cross([0.0, 1.0, 0.0], backward)
    right /= np.linalg.norm(right)
    up, eye = np.cross(backward, right), ray_casting.DISTANCE * backward
    u, v = (2 * x + 1 - side) / side, (side - 1 - 2 * y) / side
    ray = (u * right + v * up) * ray_casting.FIELD / ray_casting.DISTANCE - backward
    ray /= np.linalg.norm(ray)
    nearest, colour = math.inf, np.full(3, ray_casting.BACKGROUND)
    if scenes.floor and ray[1] < 0:
        nearest, colour = -eye[1] / ray[1], np.full(3, ray_casting.FLOOR)
    for number in range(2):
        centre, size = scenes.centres[row, number], scenes.sizes[row, number]
        if scenes.kinds[row, number] == SPHERE:
            b, c = ray @ (eye - centre), (eye - centre) @ (eye - centre) - size**2
            if b * b - c <= 0:
                continue
            t = -b - math.sqrt(b * b - c)
            normal = (eye + t * ray - centre) / size
        else:
            enter, leave, normal = -math.inf, math.inf, None
            for axis in range(3):
                ends = sorted((centre[axis] + sign * size - eye[axis]) / ray[axis] for sign in (-1, 1))
                if ends[0] > enter:
                    enter, normal = ends[0], -np.sign(ray[axis]) * np.eye(3)[axis]
                leave = min(leave, ends[1])
            if enter >= leave:
                continue
            t = enter
        if t < nearest:
            lamp = eye + np.array([0.0, ray_casting.OVERHEAD * ray_casting.DISTANCE, 0.0]) - (eye + t * ray)
            light = max(normal @ lamp / np.linalg.norm(lamp), 0.0)
            colour = (ray_casting.AMBIENT + (1 - ray_casting.AMBIENT) * light) * scenes.colours[number]
            nearest = t
    return colour


@pytest.mark.parametrize(
    ("elevation", "floor", "azimuth"), [(0.0, False, 0.0), (25.0, True, -90.0), (10.0, True, 37.0)]
)
def test_every_pixel_is_that_of_its_ray(elevation, floor, azimuth):
    scenes, side = some(4, elevation, floor), 12
    found = render(scenes, azimuth, side)
    for row in range(len(scenes)):
        slow = [[one_ray(scenes, row, azimuth, x, y, side) for x in range(side)] for y in range(side)]
        assert np.abs(found[row] - np.array(slow)).max() <= 0.5 + 1e-6
    assert len(np.unique(found.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize("case", CAMERAS)
def test_known_cameras(case):
    offset = np.array(case["A"]) - np.array(case["B"])
    for azimuth, seen in case["seen_from"].items():
        right, towards = seen_from(offset, float(azimuth))
        assert (float(right), float(towards)) == pytest.approx((seen["right"], seen["towards_viewer"]), abs=1e-12)


@pytest.mark.parametrize("floor", [False, True])
def test_the_left_of_a_mirrored_scene_is_the_right_of_the_scene_mirrored(floor):
    scenes = some(6, 20.0 if floor else 0.0, floor)
    for azimuth in (0.0, 90.0, 37.0):
        assert np.array_equal(render(scenes.mirrored(), -azimuth, 16), render(scenes, azimuth, 16)[:, :, ::-1])


@pytest.mark.parametrize("kinds", [(SPHERE, SPHERE), (BOX, SPHERE), (SPHERE, BOX), (BOX, BOX)])
def test_what_is_nearer_hides_what_is_behind_it(kinds):
    centres = np.array([[[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]])
    scenes = Scenes(np.array([kinds]), centres, np.array([[0.5, 0.3]]), COLOURS)
    middle = [render(scenes, azimuth, 17)[0, 8, 8] for azimuth in (0.0, 180.0)]
    assert middle[0][0] > 50 and middle[0][2] == 0, "red is in front"
    assert middle[1][2] > 50 and middle[1][0] == 0, "and blue from the other side"


def test_each_scene_is_drawn_by_itself():
    scenes = some(5, 25.0, True)
    whole = render(scenes, 30.0, 16)
    assert np.array_equal(render(scenes.at(np.array([3, 1])), 30.0, 16), whole[[3, 1]])
    assert render(scenes.at(np.array([], dtype=int)), 0.0, 8).shape == (0, 8, 8, 3)
