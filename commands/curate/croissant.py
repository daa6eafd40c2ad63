"""`croissant.json`: the dataset described for other tools (MLCommons Croissant 1.0, JSON-LD)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa

from medfm_cli.data.card import DatasetCard
from medfm_cli.data.manifest import MANIFEST_FILE, SAMPLES_SCHEMA
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
_TELLS = {
    "sample_id": "First 16 hex digits of the pixels' sha256, and the number of the tile.",
    "image_id": "Shared by the tiles of an image.",
    "subject_id": "Pseudonym of the patient, else of the study or the file.",
    "split": "train, val or test; no subject is in two of them.",
    "label": "The class, when there is one.",
    "facts": "Acquisition facts as a JSON object.",
    "source_sha256": "sha256 of the file the image was read from.",
    "shard": "Tar file under shards/ that holds the image.",
    "offset": "Where its PNG begins in the shard, in bytes.",
    "length": "Length of its PNG in bytes.",
}


def write_croissant(root: Path, card: DatasetCard, *, description: str) -> None:
    """Describe the dataset in `root`, whose manifest is written already."""
    manifest = (root / MANIFEST_FILE).read_bytes()
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": card.name,
        "description": description,
        "version": f"1.0.0+{card.version[:12]}",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest",
                "name": MANIFEST_FILE,
                "contentUrl": MANIFEST_FILE,
                "contentSize": f"{len(manifest)} B",
                "encodingFormat": "application/x-parquet",
                "sha256": hashlib.sha256(manifest).hexdigest(),
            },
            *[_shard(shard.name, shard.bytes, shard.sha256) for shard in card.shards],
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "samples",
                "name": "samples",
                "description": "One row a sample; offset and length lead to its PNG in the shard.",
                "field": [_field(item) for item in SAMPLES_SCHEMA],
            }
        ],
    }
    if card.licences:
        document["license"] = card.licences
    write_json(root / CROISSANT_FILE, document)


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


def _field(item: pa.Field) -> dict[str, Any]:
    several = pa.types.is_list(item.type)
    whole = pa.types.is_integer(item.type)
    field = {
        "@type": "cr:Field",
        "@id": f"samples/{item.name}",
        "name": item.name,
        "description": _TELLS.get(item.name, item.name.replace("_", " ")),
        "dataType": "sc:Integer" if whole else "sc:Text",
        "source": {"fileObject": {"@id": "manifest"}, "extract": {"column": item.name}},
    }
    return field | {"repeated": True} if several else field
