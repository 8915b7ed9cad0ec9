"""Pictures of simple scenes: spheres and boxes, with or without a floor, seen from any side.

Coordinates are right-handed: x to the right, y up, z towards the viewer of the photograph, whose camera stands at
azimuth 0. A camera at azimuth a looks at the origin from (sin a, 0, cos a), raised by its elevation. All arithmetic is
done element by element in double precision, so that a scene gives the same bytes wherever it is drawn, and its mirror
image the mirrored bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

SPHERE, BOX = 0, 1

DISTANCE = 6.0  # from the camera to the origin
FIELD = 1.45  # half of what is seen at the origin, in units of the scene
BACKGROUND, FLOOR = 200.0, 140.0  # grey values
AMBIENT = 0.35  # share of light that comes from everywhere
OVERHEAD = 0.5  # how high above the camera the lamp stands, as a share of its distance
NEAR = 1e-9


@dataclass(frozen=True)
class Scenes:
    """n scenes of k objects each.

    Attributes
    ----------
    kinds: (n, k) int64, `SPHERE` or `BOX`; boxes are cubes that stand along the axes.
    centres: (n, k, 3) float64.
    sizes: (n, k) float64, radius or half a side.
    colours: (k, 3) float64, red, green and blue in 0..255.
    elevation: of every camera, in degrees.
    floor: whether there is one, at height zero.
    """

    kinds: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    colours: np.ndarray
    elevation: float = 0.0
    floor: bool = False

    def __len__(self) -> int:
        return len(self.kinds)

    def at(self, rows: np.ndarray) -> Scenes:
        """Some of them."""
        return replace(self, kinds=self.kinds[rows], centres=self.centres[rows], sizes=self.sizes[rows])

    def mirrored(self) -> Scenes:
        """With left and right exchanged."""
        return replace(self, centres=self.centres * np.array([-1.0, 1.0, 1.0]))


def seen_from(offsets: np.ndarray, azimuth: float) -> tuple[np.ndarray, np.ndarray]:
    """How far offsets (..., 3) point to the right, and towards the viewer, for a camera at an azimuth in degrees."""
    sine, cosine = _sine_cosine(azimuth)
    x, z = offsets[..., 0], offsets[..., 2]
    return x * cosine - z * sine, x * sine + z * cosine


def camera(azimuth: float, elevation: float) -> np.ndarray:
    """(3,) where the camera stands; azimuth and elevation in degrees."""
    (sine, cosine), (up, out) = _sine_cosine(azimuth), _sine_cosine(elevation)
    return DISTANCE * np.array([out * sine, up, out * cosine])


def render(scenes: Scenes, azimuth: float, side: int) -> np.ndarray:
    """(n, side, side, 3) uint8: every scene from one azimuth in degrees, in perspective, a ray through each pixel."""
    eye, rays = camera(azimuth, scenes.elevation), _rays(azimuth, scenes.elevation, side)
    count = len(scenes)
    depth = np.full((count, side * side), np.inf)
    image = np.full((count, side * side, 3), BACKGROUND)
    if scenes.floor:
        with np.errstate(divide="ignore"):
            distance = np.where(rays[:, 1] < 0, -eye[1] / rays[:, 1], np.inf)
        depth[:] = distance
        image[:, np.isfinite(distance)] = FLOOR
    lamp = eye + np.array([0.0, OVERHEAD * DISTANCE, 0.0])
    for number in range(scenes.kinds.shape[1]):
        for kind, hit in ((SPHERE, _sphere), (BOX, _box)):
            rows = np.flatnonzero(scenes.kinds[:, number] == kind)
            if not len(rows):
                continue
            centres, sizes = scenes.centres[rows, number], scenes.sizes[rows, number]
            distance, normals = hit(eye, rays, centres, sizes)
            nearer = distance < depth[rows]
            points = eye + np.where(nearer, distance, 0.0)[..., None] * rays
            shade = _shade(points, normals, lamp)[..., None] * scenes.colours[number]
            depth[rows] = np.where(nearer, distance, depth[rows])
            image[rows] = np.where(nearer[..., None], shade, image[rows])
    return np.rint(image).astype(np.uint8).reshape(count, side, side, 3)


def _sine_cosine(degrees: float) -> tuple[float, float]:
    """Exact at right angles, odd and even to the bit, so that mirrored cameras see mirrored bytes."""
    quarter, rest = divmod(abs(degrees) % 360.0, 90.0)
    angle = np.deg2rad(rest)
    sine, cosine = (0.0, 1.0) if rest == 0 else (float(np.sin(angle)), float(np.cos(angle)))
    for _ in range(int(quarter)):
        sine, cosine = cosine, -sine
    return (-sine if degrees < 0 else sine) + 0.0, cosine + 0.0


def _rays(azimuth: float, elevation: float, side: int) -> np.ndarray:
    """(side², 3) directions of length one through the middles of the pixels, row by row from the top."""
    (sine, cosine), (up, out) = _sine_cosine(azimuth), _sine_cosine(elevation)
    across = (2 * np.arange(side) + 1 - side) / side * (FIELD / DISTANCE)
    u, v = (
        np.broadcast_to(across[None, :], (side, side)).ravel(),
        np.broadcast_to(-across[:, None], (side, side)).ravel(),
    )
    # the camera's right is (cos a, 0, -sin a), its upward (-sin e sin a, cos e, -sin e cos a), forward minus its place
    rays = np.stack(
        [
            u * cosine - (v * up + out) * sine,
            v * out - up,
            -u * sine - (v * up + out) * cosine,
        ],
        axis=1,
    )
    length = np.sqrt(rays[:, 0] * rays[:, 0] + rays[:, 1] * rays[:, 1] + rays[:, 2] * rays[:, 2])
    unit: np.ndarray = rays / length[:, None]
    return unit


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found: np.ndarray = (a[..., 0] * b[..., 0] + a[..., 2] * b[..., 2]) + a[..., 1] * b[..., 1]
    return found


def _sphere(eye: np.ndarray, rays: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (n, p), infinite where a ray misses, and outward normals (n, p, 3)."""
    away = eye - centres
    b = _dot(away[:, None], rays[None])
    inside = b * b - (_dot(away, away) - radii * radii)[:, None]
    with np.errstate(invalid="ignore"):
        distance = np.where(inside > 0, -b - np.sqrt(np.maximum(inside, 0)), np.inf)
    distance = np.where(distance > NEAR, distance, np.inf)
    reached = np.where(np.isfinite(distance), distance, 0.0)
    normals = (eye + reached[..., None] * rays - centres[:, None]) / radii[:, None, None]
    return distance, normals


def _box(eye: np.ndarray, rays: np.ndarray, centres: np.ndarray, halves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of cubes, by slabs."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / rays
        one = (centres - halves[:, None] - eye)[:, None] * inverse
        other = (centres + halves[:, None] - eye)[:, None] * inverse
    enter, leave = np.fmin(one, other), np.fmax(one, other)
    distance, last = enter.max(axis=2), leave.min(axis=2)
    distance = np.where((distance < last) & (distance > NEAR), distance, np.inf)
    face = enter.argmax(axis=2)
    normals = np.zeros((*face.shape, 3))
    toward = -np.sign(np.take_along_axis(np.broadcast_to(rays, normals.shape), face[..., None], axis=2))
    np.put_along_axis(normals, face[..., None], toward, axis=2)
    return distance, normals


def _shade(points: np.ndarray, normals: np.ndarray, lamp: np.ndarray) -> np.ndarray:
    """Brightness in 0..1 under one lamp and light from everywhere (Lambert's law)."""
    to_lamp = lamp - points
    facing = np.maximum(_dot(normals, to_lamp) / np.sqrt(_dot(to_lamp, to_lamp)), 0)
    found: np.ndarray = AMBIENT + (1 - AMBIENT) * facing
    return found
