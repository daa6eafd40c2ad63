"""Small files of signals, films and stays for tests of their readers."""

from __future__ import annotations

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import edfio
import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # wfdb uses what pandas gives up
    import wfdb

HEADER = "Time,Parameter,Value\n"
STAY = (
    "00:00,RecordID,132539\n00:00,Age,54\n00:00,Gender,0\n00:00,Height,-1\n00:00,ICUType,4\n"
    "00:00,Weight,70.5\n00:07,HR,73\n00:07,HR,75\n00:07,Urine,900\n01:37,Temp,35.6\n"
    "47:37,HR,-1\n47:37,Weight,71\n"
)


WORDS = {"id": "stay", "time": "t", "sex": "sex", "age": "age"}


def record(folder: Path, name: str, values: np.ndarray, **more: Any) -> Path:
    """A record `[T, C]` as wfdb writes it."""
    channels = values.shape[1]
    wfdb.wrsamp(
        name,
        fs=more.pop("fs", 100),
        units=more.pop("units", ["mV"] * channels),
        sig_name=more.pop("names", [f"c{i}" for i in range(channels)]),
        p_signal=values,
        fmt=more.pop("fmt", ["16"] * channels),
        write_dir=str(folder),
        **more,
    )
    return folder / f"{name}.hea"


def waves(length: int = 500, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(length, channels)).round(3)


def segmented(folder: Path) -> Path:
    """Two segments with a gap, the second without the first channel."""
    record(folder, "s1", waves(300), names=["II", "V"])
    record(folder, "s2", waves(200, 1, seed=1), names=["V"])
    (folder / "layout.hea").write_text(
        "layout 2 100 0\n~ 0 200/mV 16 0 0 0 0 II\n~ 0 200/mV 16 0 0 0 0 V\n"
    )
    (folder / "m.hea").write_text("m/4 2 100 600\nlayout 0\ns1 300\n~ 100\ns2 200\n")
    return folder / "m.hea"


def recording(path: Path, *, bdf: bool = False, **more: Any) -> Path:
    """Four seconds of two EEG channels at 100 Hz and one of breath at 20 Hz."""
    random = np.random.default_rng(0)
    kind, whole = (edfio.BdfSignal, edfio.Bdf) if bdf else (edfio.EdfSignal, edfio.Edf)
    signals = [
        kind(random.normal(size=400), 100, label="EEG Fpz-Cz", physical_dimension="uV"),
        kind(random.normal(size=80), 20, label="Resp", physical_dimension="mV"),
        kind(random.normal(size=400), 100, label="EEG Pz-Oz", physical_dimension="uV"),
    ]
    whole(signals, **more).write(path)
    return path


def scene(number: int, *, height: int = 48, width: int = 64) -> np.ndarray:
    """A frame that tells its number: a bar that moves, on a ground that brightens."""
    frame = np.full((height, width, 3), 40 + number % 160, np.uint8)
    frame[:, number % width] = (250, 20, 20)
    return frame


def film(path: Path, count: int, *, kind: str = "mp4", codec: str = "mpeg4", **more: Any) -> Path:
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream(codec, rate=Fraction(25), options=more.pop("options", {}))
        stream.width, stream.height = 64, 48
        stream.pix_fmt = more.pop("pixels", "yuv420p")
        stream.codec_context.gop_size = more.pop("gop", 12)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(scene(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def stay(path: Path, text: str = STAY) -> Path:
    path.write_text(HEADER + text)
    return path


def wide(
    path: Path, *, stays: int = 20, parquet: bool = False, dates: bool = False
) -> pd.DataFrame:
    """Stays of 1 to 20 rows, with gaps."""
    random = np.random.default_rng(0)
    rows = [
        {"stay": 1000 + s, "t": 2.0 * i, "HR": float(random.integers(50, 90)), "Na": 140.0 + i,
         "sex": "FM"[s % 2], "age": 40 + s}
        for s in range(20) for i in range(s + 1)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    table.loc[table.index % 3 == 0, "Na"] = np.nan
    if dates:
        table["t"] = pd.Timestamp("2150-03-01 10:00") + pd.to_timedelta(table["t"], unit="h")
    if parquet:
        table.to_parquet(path, index=False, row_group_size=50)
    else:
        table.to_csv(path, index=False)
    return table
