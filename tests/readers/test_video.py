"""Films: the frames that PyAV decodes, evenly chosen, upright, and nothing but the file itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from signal_files import film, scene

from medfm_cli.readers import Item, ReadOptions, Unreadable, read_images, sniff
from medfm_cli.readers.item import evenly
from medfm_cli.samples.content import Video


def read(path: Path, **options: Any) -> list[Item]:
    return list(read_images(path, ReadOptions(**options)))


def whole(path: Path, **options: Any) -> Video:
    (item,) = read(path, whole=True, **options)
    assert isinstance(item.content, Video)
    return item.content


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.realdata
def test_lung_ultrasound(shared_data: Path) -> None:
    """All thirty films, in four containers, whatever their names say."""
    folder = shared_data / "lung_ultrasound_pocus" / "pocus_videos"
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(paths) == 30
    kinds = set()
    for path in paths:
        (item,) = read(path, whole=True, clip=8)
        content = item.content
        assert isinstance(content, Video)
        frames = decoded(path)
        expected = np.stack([frames[i] for i in evenly(len(frames), 8)])
        grey = (expected == expected[..., :1]).all()
        np.testing.assert_array_equal(content.frames, expected[..., 0] if grey else expected)
        assert item.facts["frames"] == len(frames)
        assert content.rate == pytest.approx(7 / item.facts["seconds"], rel=0.1)
        assert item.notes == ()
        kinds.add((item.facts["format"], path.suffix.lower()))
        pictures = read(path, frames=3)
        assert [picture.frame for picture in pictures] == evenly(len(frames), 3)
    assert {kind for kind, _ in kinds} == {"mp4", "avi", "mpeg", "gif"}
    assert ("mp4", ".avi") in kinds, "an MP4 file that is called AVI"


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("mp4", "mpeg4"), ("avi", "mpeg4"), ("matroska", "mpeg4"), ("mpeg", "mpeg2video"),
     ("mpegts", "mpeg2video"), ("webm", "libvpx"), ("mov", "mjpeg")],
)  # fmt: skip
def test_a_long_film_is_sought_through_and_gives_the_same(
    tmp_path: Path, kind: str, codec: str
) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = film(tmp_path / "x", 300, kind=kind, codec=codec, pixels=pixels)
    assert sniff(path).name == "video"
    frames = decoded(path)
    for clip in (1, 2, 5, 300, 400):
        expected = np.stack([frames[i] for i in evenly(300, clip)])
        np.testing.assert_array_equal(whole(path, clip=clip).frames, expected)
    assert whole(path, clip=4).rate == pytest.approx(3 / (299 / 25), rel=0.01)


def test_gif_moves_or_is_an_image(tmp_path: Path) -> None:
    frames = [Image.fromarray(scene(number)) for number in range(0, 60, 10)]
    frames[0].save(tmp_path / "x", "GIF", save_all=True, append_images=frames[1:], duration=80)
    assert sniff(tmp_path / "x").name == "video"
    assert whole(tmp_path / "x").frames.shape == (6, 48, 64, 3)
    assert whole(tmp_path / "x").rate == pytest.approx(12.5)
    frames[0].save(tmp_path / "still", "GIF")
    assert sniff(tmp_path / "still").name == "image"


def test_grey_films_are_grey(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        frames = np.random.default_rng(0).integers(0, 256, (5, 48, 64), np.uint8)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode(None))
    np.testing.assert_array_equal(whole(path).frames, frames)
    assert {item.pixels.shape for item in read(path)} == {(48, 64)}


def test_a_turned_film_is_put_upright(tmp_path: Path) -> None:
    path = film(tmp_path / "x", 5)
    flat = whole(path).frames
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    one, none, minus = b"\x00\x01\x00\x00", bytes(4), b"\xff\xff\x00\x00"
    data[matrix : matrix + 32] = b"".join([none, one, none, minus, none, none, none, none])
    path.write_bytes(data)  # to be shown turned by 90° clockwise, as a telephone writes it
    np.testing.assert_array_equal(whole(path).frames, np.rot90(flat, -1, axes=(1, 2)))


@pytest.mark.parametrize("kind", ["mp4", "avi", "matroska"])
def test_a_film_that_breaks_off_is_told(tmp_path: Path, kind: str) -> None:
    more = {"options": {"movflags": "faststart"}} if kind == "mp4" else {}
    path = film(tmp_path / "x", 250, kind=kind, **more)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    if kind == "matroska":
        assert "may be cut" in read(path, whole=True)[0].notes[0]
        return
    with pytest.raises(Unreadable, match=r"truncated|damaged"):
        whole(path)


def test_damage_is_noted_or_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "x", 200, kind="avi", codec="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    places = [i for i in range(len(data)) if data[i : i + 3] == b"\xff\xd8\xff"]
    assert len(places) == 200
    blank(data, places, [100])
    path.write_bytes(data)
    (item,) = read(path, whole=True, clip=200)
    assert "1 packets are damaged, 1 frames are missing" in item.notes[0]
    blank(data, places, list(range(0, 199, 3)))
    path.write_bytes(data)
    with pytest.raises(Unreadable, match="damaged"):
        whole(path, clip=200)


def blank(data: bytearray, places: list[int], numbers: list[int]) -> None:
    """Zeros in place of some frames."""
    for number in numbers:
        start, end = places[number], places[number + 1] - 8
        data[start:end] = bytes(end - start)


def test_a_codec_that_is_not_known_is_told(tmp_path: Path) -> None:
    path = film(tmp_path / "x", 5, kind="avi")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"zzzz"))
    with pytest.raises(Unreadable, match="unknown codec"):
        read(path)


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "x"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(Unreadable, match="audio only") as caught:
        read(tmp_path / "x")
    assert caught.value.step == "quality"


@pytest.mark.parametrize(
    "text",
    [
        b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n",
        b"ffconcat version 1.0\nfile http://127.0.0.1:9/x.mp4\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    ],
)
def test_playlists_are_never_opened(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(text)
    with pytest.raises(Unreadable, match="no known format"):
        read(tmp_path / "x.mp4")
    (tmp_path / "x.mp4").write_bytes(b"\x00\x00\x00\x18ftypisom" + bytes(12) + text)
    with pytest.raises(Unreadable):
        read(tmp_path / "x.mp4")


def test_too_large_a_film_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = film(tmp_path / "x", 5)
    with pytest.raises(Unreadable, match="megapixels"):
        whole(path, max_pixels=1000)
    with pytest.raises(Unreadable, match="more memory"):
        whole(path, max_values=10_000)
