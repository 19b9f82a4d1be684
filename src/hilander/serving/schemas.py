"""JSON schemas of what goes in and what comes out."""

from __future__ import annotations

from typing import Any

_INTEGERS = {"type": "array", "items": {"type": "integer"}}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_FILE = {"type": "string", "format": "binary"}

_PAIRS = {"type": "array", "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer"}}}

KNOBS: dict[str, dict[str, Any]] = {  # of a clustering, in the JSON, the form or the query
    "granularity": {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "description": "1 is what the model was trained to find; higher gives more and finer clusters.",
    },
    "linkage_threshold": {
        "oneOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "enum": ["adapted"]}],
        "description": "Probability from which granularity departs, or the one that suits the rows; the model's own by "
        "default.",
    },
    "max_cluster_size": {"type": "integer", "minimum": 1, "description": "Most rows of a cluster."},
    "outliers": {
        "type": "string",
        "enum": ["keep", "label"],
        "description": "Rows that stand alone: clusters of one, or label -1.",
    },
}
_CONSTRAINTS: dict[str, dict[str, Any]] = {
    "must_link": {**_PAIRS, "description": "Pairs of row numbers that share a cluster."},
    "cannot_link": {**_PAIRS, "description": "Pairs of row numbers that share none."},
}
_CONSTRAINT_FILES = {name: {**_FILE, "description": "Pairs as .npy or JSON."} for name in _CONSTRAINTS}

_EMBEDDINGS = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "array", "minItems": 1, "items": {"type": "number"}},
    "description": "One row per item, all of one width; normalised here.",
}
ASSIGN_REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["embeddings"],
    "properties": {"embeddings": _EMBEDDINGS},
    "additionalProperties": False,
}
CLUSTER_REQUEST: dict[str, Any] = {
    **ASSIGN_REQUEST,
    "properties": {"embeddings": _EMBEDDINGS, **KNOBS, **_CONSTRAINTS},
}
EMBEDDINGS_FORM: dict[str, Any] = {"type": "object", "required": ["file"], "properties": {"file": _FILE}}
CLUSTER_FORM: dict[str, Any] = {**EMBEDDINGS_FORM, "properties": {"file": _FILE, **_CONSTRAINT_FILES}}
IMAGES_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["images"],
    "properties": {"images": {"type": "array", "minItems": 1, "items": _FILE}},
}
CLUSTER_IMAGES_FORM: dict[str, Any] = {
    **IMAGES_FORM,
    "properties": {**IMAGES_FORM["properties"], **_CONSTRAINT_FILES},
}
IMAGES_REQUEST: dict[str, Any] = {  # as BentoML's clients spell a list of files
    **IMAGES_FORM,
    "properties": {"images": {"type": "array", "items": {"type": "file"}}},
}
CLUSTER_IMAGES_REQUEST: dict[str, Any] = {
    **IMAGES_REQUEST,
    "properties": {**IMAGES_REQUEST["properties"], **KNOBS, **_CONSTRAINTS},
}

_LEVEL = {
    "type": "object",
    "required": ["n_nodes", "n_edges", "n_clusters", "labels"],
    "properties": {
        "n_nodes": {"type": "integer"},
        "n_edges": {"type": "integer"},
        "n_clusters": {"type": "integer"},
        "labels": _INTEGERS,
    },
}
_CLUSTERING: dict[str, Any] = {
    "labels": {**_INTEGERS, "description": "Cluster of each row, 0 the largest; -1 alone."},
    "probabilities": {**_NUMBERS, "description": "How sure the model is of each row's cluster."},
    "counts": {**_INTEGERS, "description": "Rows of each cluster."},
    "peaks": {**_INTEGERS, "description": "The row that represents each cluster."},
    "levels": {"type": "array", "items": _LEVEL, "description": "The hierarchy, finest first."},
    "model_version": {"type": "string"},
}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    return {"type": "object", "required": sorted(set(properties) - set(optional)), "properties": properties}


COMPONENTS: dict[str, Any] = {
    "ClusterAnswer": _object(_CLUSTERING),
    "ClusterImagesAnswer": _object(
        {"ids": {**_STRINGS, "description": "Names of the images."}, "peak_ids": _STRINGS, **_CLUSTERING}
    ),
    "AssignAnswer": _object(
        {
            "clusters": {
                "type": "array",
                "items": {"oneOf": [{"type": "integer"}, {"type": "string", "enum": ["new"]}]},
                "description": "Cluster of the catalogue, or new.",
            },
            "probabilities": _NUMBERS,
            "model_version": {"type": "string"},
        }
    ),
    "EncodeAnswer": _object(
        {"ids": _STRINGS, "embeddings": {"type": "array", "items": _NUMBERS}, "model_version": {"type": "string"}}
    ),
    "Task": _object(
        {
            "task_id": {"type": "string"},
            "status": {"type": "string", "enum": ["in_progress", "completed", "failed", "canceled"]},
            "progress": {
                "type": "object",
                "properties": {"step": {"type": "string"}, "share": {"type": "number"}},
            },
            "links": {"type": "object"},
            "message": {"type": "string"},
            "error": {"type": "string"},
        },
        "progress",
        "links",
        "message",
        "error",
    ),
    "Model": _object(
        {
            "version": {"type": "string"},
            "metrics": {"type": "object"},
            "provenance": {"type": "object"},
            "card": {"type": "string"},
            "newer_release_refused": {"type": "string", "nullable": True},
        }
    ),
    "Error": _object({"error": {"type": "string"}}),
}
