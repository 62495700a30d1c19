"""Whether an object is what Kubernetes' API takes: its OpenAPI definitions, read strictly.

Strictly: a field that is not in the schema is a fault, as it is to `kubectl apply --validate=strict`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_PREFIX = "#/definitions/"


class Schema:
    """The definitions of one version of Kubernetes."""

    def __init__(self, file: Path) -> None:
        self._definitions: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["definitions"]
        self._kinds = {
            (kind["group"], kind["version"], kind["kind"]): name
            for name, definition in self._definitions.items()
            for kind in definition.get("x-kubernetes-group-version-kind", ())
        }

    def faults(self, manifest: Any) -> list[str]:
        """Return what is wrong with an object, one line each."""
        if not isinstance(manifest, dict):
            return [f"{manifest!r} is no object"]
        group, _, version = str(manifest.get("apiVersion")).rpartition("/")
        name = self._kinds.get((group, version, str(manifest.get("kind"))))
        if name is None:
            return [f"there is no {manifest.get('kind')} in {manifest.get('apiVersion')}"]
        return self._check(manifest, {"$ref": _PREFIX + name}, str(manifest["kind"]))

    def _check(self, value: Any, rule: dict[str, Any], at: str) -> list[str]:
        if "$ref" in rule:
            name = rule["$ref"].removeprefix(_PREFIX)
            if name.endswith("resource.Quantity"):
                good = isinstance(value, str) and _QUANTITY.fullmatch(value) is not None
                return [] if good else [f"{at}: {value!r} is no quantity"]
            return self._check(value, self._definitions[name], at)
        if rule.get("format") == "int-or-string":
            good = isinstance(value, str | int) and not isinstance(value, bool)
            return [] if good else [f"{at}: {value!r} is neither a number nor a name"]
        kind = rule.get("type")
        if "properties" in rule:
            return self._object(value, rule, at)
        if kind == "object":
            if not isinstance(value, dict):
                return [f"{at}: {value!r} is no mapping"]
            inner = rule.get("additionalProperties", {})
            return [f for key, item in value.items() for f in self._check(item, inner, f"{at}.{key}")]
        if kind == "array":
            if not isinstance(value, list):
                return [f"{at}: {value!r} is no list"]
            return [f for i, item in enumerate(value) for f in self._check(item, rule["items"], f"{at}[{i}]")]
        types: dict[Any, Any] = {"string": str, "boolean": bool, "integer": int, "number": (int, float)}
        wanted = types.get(kind)
        if wanted and (not isinstance(value, wanted) or (kind != "boolean" and isinstance(value, bool))):
            return [f"{at}: {value!r} is no {kind}"]
        if "enum" in rule and value not in rule["enum"]:
            return [f"{at}: {value!r} is none of {rule['enum']}"]
        return []

    def _object(self, value: Any, rule: dict[str, Any], at: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{at}: {value!r} is no mapping"]
        known = rule["properties"]
        found = [f"{at}: there is no field {key}" for key in value if key not in known]
        found += [f"{at}: {key} is missing" for key in rule.get("required", ()) if key not in value]
        for key, item in value.items():
            if key in known:
                found += self._check(item, known[key], f"{at}.{key}")
        return found
