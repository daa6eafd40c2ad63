"""croissant.json: the validator accepts it, and its records are the manifest."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from curate_mixed import BLOCKS, everything, write_catalog, write_mixed

from medfm_cli.commands.curate.describing.step import describe
from medfm_cli.commands.curate.options.describe import Describe
from medfm_cli.commands.curate.writing.croissant import RAI_FIELDS, write_croissant
from medfm_cli.data import Dataset
from medfm_cli.data.manifest import Quarantined

mlcroissant = pytest.importorskip("mlcroissant")

RAI: dict[str, str | list[str]] = {
    "dataPreprocessingProtocol": ["Pictures of one value were left out.", "Copies were left out."],
    "personalSensitiveInformation": ["Burned-in text was NOT CHECKED."],
    "dataCollection": "",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("croissant")
    items = everything()
    left_out = [Quarantined(source="a", step="quality", reason="blank: all pixels are alike")]
    card = write_mixed(
        folder / "dataset", items, quarantine=left_out, licences=["CC-BY-4.0"], consent="waived"
    )
    with write_catalog(folder / "catalog.db", items) as catalog:
        describe(catalog, folder / "dataset", BLOCKS, Describe(), seed=0)
    write_croissant(folder / "dataset", card, description='Toys & "more".', rai=RAI)
    return folder / "dataset"


@pytest.mark.filterwarnings("ignore")
def test_the_validator_has_nothing_to_object_to(root: Path) -> None:
    dataset = mlcroissant.Dataset(jsonld=root / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert dataset.metadata.data_preprocessing_protocol == RAI["dataPreprocessingProtocol"]
    assert dataset.metadata.personal_sensitive_information == RAI["personalSensitiveInformation"]
    assert dataset.metadata.data_collection is None, "what is unknown is left out"
    told = {warning.partition("properties are recommended")[0] for warning in issues.warnings}
    assert len(told) <= 3, "who to cite and when it was published is not invented"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("records", ["samples", "quarantine"])
def test_records_are_the_rows(root: Path, records: str) -> None:
    dataset = mlcroissant.Dataset(jsonld=root / "croissant.json")
    opened = Dataset.open(root)
    table = opened.samples if records == "samples" else opened.quarantine
    rows = table.to_pylist()
    found = list(dataset.records(records))
    assert len(found) == len(rows) > 0
    for record, row in zip(found, rows, strict=True):
        for name, value in row.items():
            assert same(record[f"{records}/{name}"], value), name


def same(found: Any, value: Any) -> bool:
    """Whether the reader gives a cell: text as bytes, and nothing as one of many nothings."""
    if value is None or value == []:
        return (
            found is None
            or len(str(found)) <= 4
            or (isinstance(found, float) and math.isnan(found))
        )
    if isinstance(value, list):
        return [f.decode() if isinstance(f, bytes) else f for f in found] == value
    return (found.decode() if isinstance(found, bytes) else found) == value


@pytest.mark.filterwarnings("ignore")
def test_a_changed_manifest_is_noticed(root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "copy")
    manifest = copy / "samples.parquet"
    manifest.write_bytes(manifest.read_bytes() + b"x")
    dataset = mlcroissant.Dataset(jsonld=copy / "croissant.json")
    with pytest.raises(Exception, match="manifest"):
        list(dataset.records("samples"))


def test_every_file_of_the_dataset_is_told(root: Path) -> None:
    told = json.loads((root / "croissant.json").read_text())
    urls = {file["contentUrl"] for file in told["distribution"]}
    files = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    assert urls == files - {"croissant.json", "dataset.json"}
    assert told["license"] == ["CC-BY-4.0"]
    assert {"XR", "volume"} <= set(told["keywords"])
    assert set(RAI) <= set(RAI_FIELDS)
