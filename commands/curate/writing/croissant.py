"""`croissant.json`: the dataset described for other tools (MLCommons Croissant 1.0, JSON-LD)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from medfm_cli.data.card import DatasetCard
from medfm_cli.data.manifest import (
    MANIFEST_FILE,
    QUARANTINE_FILE,
    QUARANTINE_SCHEMA,
    SAMPLES_SCHEMA,
)
from medfm_cli.runs.atomic import write_json

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
_TELLS = {
    "sample_id": "First 16 hex digits of the content's sha256, and the number of the part.",
    "image_id": "Shared by the parts (tiles, slices, windows) of one sample.",
    "subject_id": "Pseudonym of the patient, else of the study or the file.",
    "study_id": "Pseudonym of the study.",
    "site": "Where it was acquired: a pseudonym, or what a public source says.",
    "split": "train, val or test.",
    "client": "The party of a federation that holds it.",
    "origin": "The source block of the recipe it came from.",
    "kind": "image, volume, video, signal, audio, series, table or text.",
    "label": "The class, when there is one.",
    "labels": "The classes, when there may be several.",
    "text": "Report, note or caption; de-identified.",
    "turns": "Questions and answers, as JSON.",
    "boxes": "Labelled rectangles in pixels, as JSON.",
    "time": "When it was acquired, shifted by a number of days of its own for every subject.",
    "age": "In years; above 89 is 90.",
    "sex": "F, M, O or nothing.",
    "cluster": "Group of near duplicates, all on one side of the split.",
    "shape": "Shape of the stored array.",
    "meta": "What gives the numbers their meaning (spacing, rate, channels, units), as JSON.",
    "facts": "Acquisition facts, as JSON.",
    "source": "The file it was read from, or a pseudonym of its name.",
    "source_sha256": "sha256 of the file it was read from; of several, over their sha256s.",
    "shard": "Tar file under shards/ that holds the payload.",
    "offset": "Where the payload begins in the shard, in bytes.",
    "length": "Length of the payload in bytes.",
    "members": "All members of the sample by extension, each with offset and length, as JSON.",
    "step": "The step that left it out.",
    "reason": "Why it was left out.",
    "frame": "Number of the frame in its file, from 0.",
}


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
                SAMPLES_SCHEMA,
                "manifest",
            ),
            _records(
                "quarantine",
                "One row for everything that was left out, with step and reason.",
                QUARANTINE_SCHEMA,
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
    found = (("description.json", "application/json"), ("datasheet.md", "text/markdown"))
    return [
        _file(root, name, name.partition(".")[0], encoding)
        for name, encoding in found
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


def _records(name: str, description: str, schema: pa.Schema, file: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": [_field(name, item, file) for item in schema],
    }


def _field(records: str, item: pa.Field, file: str) -> dict[str, Any]:
    several = pa.types.is_list(item.type)
    inner = item.type.value_type if several else item.type
    kind = "sc:Text"
    if pa.types.is_integer(inner):
        kind = "sc:Integer"
    elif pa.types.is_floating(inner):
        kind = "sc:Float"
    field = {
        "@type": "cr:Field",
        "@id": f"{records}/{item.name}",
        "name": item.name,
        "description": _TELLS.get(item.name, item.name.replace("_", " ")),
        "dataType": kind,
        "source": {"fileObject": {"@id": file}, "extract": {"column": item.name}},
    }
    return field | {"repeated": True} if several else field
