"""Real scans with their segmentations, cut: masks stay on what they were drawn on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from medfm_cli.data import Cutting
from medfm_cli.data.card import Unify
from medfm_cli.data.common_shape import nearest_depth, to_channels_first
from medfm_cli.data.cutting import cut_content
from medfm_cli.samples.content import Volume

pytestmark = pytest.mark.realdata
Scan = tuple[Volume, NDArray[Any]]


def scans(folder: Path) -> Iterator[Scan]:
    """The volumes in a radiologist's axes, read by nibabel alone."""
    for path in sorted((folder / "images").glob("*.nii.gz")):
        pair = []
        for file in (path, folder / "labels" / path.name):
            image = nibabel.as_closest_canonical(nibabel.load(file))
            pair.append(np.asarray(image.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1])
            right, front, up = (float(mm) for mm in image.header.get_zooms()[:3])
        voxels, mask = pair
        yield Volume(voxels.astype(np.float32), (up, front, right)), mask.astype(np.uint8)


@pytest.fixture(scope="module")
def hippocampi(shared_data: Path) -> list[Scan]:
    return list(islice(scans(shared_data / "mri3d_hippocampus"), 20))


def test_unified_scans_keep_the_volume_and_the_contrast_of_every_structure(
    hippocampi: list[Scan],
) -> None:
    for volume, mask in hippocampi:
        cutting = Cutting(unify=Unify(size=64))
        (part,) = cut_content(volume, cutting, mask=mask)
        assert isinstance(part.content, Volume) and part.mask is not None
        out, spacing = part.content.voxels, part.content.spacing
        depth = nearest_depth(len(volume.voxels), cutting.unify.depths if cutting.unify else [])
        assert out.shape == part.mask.shape == (depth, 64, 64)
        assert to_channels_first(out, channels=1).shape == (1, 64, 64, depth)
        assert spacing is not None and volume.spacing is not None
        for label in (1, 2):
            before = (mask == label).sum() * np.prod(volume.spacing)
            after = (part.mask == label).sum() * np.prod(spacing)
            assert after == pytest.approx(before, rel=0.1)  # mm³
            grey = np.median(volume.voxels[mask == label])
            low, high = part.place["greys"]
            expected = 255 * np.clip((grey - low) / (high - low), 0, 1)
            assert np.median(out[part.mask == label]) == pytest.approx(expected, abs=12)


def test_slices_of_scans_show_what_the_volume_holds(hippocampi: list[Scan]) -> None:
    cutting = Cutting(planes=["axial", "coronal", "sagittal"], slices=4)
    for volume, mask in hippocampi:
        parts = cut_content(volume, cutting, mask=mask)
        low, high = np.percentile(volume.voxels, (0.5, 99.5))
        assert len(parts) == 12
        for part in parts:
            axis = ("axial", "coronal", "sagittal").index(part.place["plane"])
            plane = volume.voxels.take(part.place["slice"], axis=axis)
            drawn = mask.take(part.place["slice"], axis=axis)
            plane, drawn = (plane, drawn) if axis == 0 else (plane[::-1], drawn[::-1])
            assert part.mask is not None
            assert (part.mask == drawn).all()  # these voxels are cubes
            greys = 255 * np.clip((plane - low) / (high - low), 0, 1)
            assert np.abs(part.content.array - greys).max() <= 0.51
