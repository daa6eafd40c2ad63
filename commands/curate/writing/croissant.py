"""`croissant.json`: the dataset described for other tools (MLCommons Croissant 1.0, JSON-LD)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medfm_cli.data.card import DatasetCard
from medfm_cli.data.manifest import (
    MANIFEST_FILE,
    QUARANTINE_FILE,
    SAMPLE_COLUMNS,
    Quarantined,
)
from medfm_cli.runs.atomic import write_json
from medfm_cli.samples.fields import RecordField, record_fields

CROISSANT_FILE = "croissant.json"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
CONFORMS = ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
RAI_FIELDS = (
    "dataCollection",
    "dataCollectionMissingData",
    "dataPreprocessingProtocol",
    "dataAnnotationProtocol",
    "dataBiases",
    "dataLimitations",
    "personalSensitiveInformation",
    "dataReleaseMaintenancePlan",
)
"""Fields of the Responsible AI vocabulary that a curation may know something of."""

_DATA_TYPES = {str: "sc:Text", int: "sc:Integer", float: "sc:Float", bool: "sc:Boolean"}


def write_croissant(
    root: Path,
    card: DatasetCard,
    *,
    description: str,
    rai: Mapping[str, str | list[str]] | None = None,
) -> None:
    """Describe the dataset in `root`, whose other files are all written already.

    Args:
        root: the dataset's folder.
        card: its card.
        description: a sentence on what it is.
        rai: fields of the Responsible AI vocabulary (`RAI_FIELDS`); what is unknown is left out.
    """
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS if rai else CONFORMS[0],
        "name": card.name,
        "description": description,
        "version": f"1.0.0+{card.version[:12]}",
        "distribution": [
            _file(root, MANIFEST_FILE, "manifest", "application/x-parquet"),
            _file(root, QUARANTINE_FILE, "quarantined", "application/x-parquet"),
            *_others(root),
            *[_shard(shard.name, shard.bytes, shard.sha256) for shard in card.shards],
        ],
        "recordSet": [
            _records(
                "samples",
                "One row a sample; offset and length lead to its payload in the shard.",
                SAMPLE_COLUMNS,
                "manifest",
            ),
            _records(
                "quarantine",
                "One row for everything that was left out, with step and reason.",
                record_fields(Quarantined),
                "quarantined",
            ),
        ],
    }
    if card.licences:
        document["license"] = card.licences
    if keywords := sorted({*card.counts.kinds, *card.counts.modalities} - {""}):
        document["keywords"] = keywords
    document |= {f"rai:{name}": value for name, value in (rai or {}).items() if value}
    write_json(root / CROISSANT_FILE, document)


def _others(root: Path) -> list[dict[str, Any]]:
    """The files for people and tools that lie beside the manifest, where they were written."""
    files = (("description.json", "application/json"), ("datasheet.md", "text/markdown"))
    return [
        _file(root, name, name.partition(".")[0], encoding)
        for name, encoding in files
        if (root / name).is_file()
    ]


def _file(root: Path, name: str, number: str, encoding: str) -> dict[str, Any]:
    with (root / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": number,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{(root / name).stat().st_size} B",
        "encodingFormat": encoding,
        "sha256": digest,
    }


def _shard(name: str, size: int, sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name.removesuffix(".tar"),
        "name": name,
        "contentUrl": f"shards/{name}",
        "contentSize": f"{size} B",
        "encodingFormat": "application/x-tar",
        "sha256": sha256,
    }


def _records(
    name: str, description: str, columns: Iterable[RecordField], file: str
) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": [_field(name, column, file) for column in columns],
    }


def _field(records: str, column: RecordField, file: str) -> dict[str, Any]:
    field = {
        "@type": "cr:Field",
        "@id": f"{records}/{column.name}",
        "name": column.name,
        "description": column.column.doc,
        "dataType": _DATA_TYPES[column.item_kind],
        "source": {"fileObject": {"@id": file}, "extract": {"column": column.name}},
    }
    return field | {"repeated": True} if column.kind is list else field
