"""JSON Schema of resources, for editors and other programs: of every kind's envelope, and of whole files.

Made from the specs themselves: types, ranges and defaults as pydantic has them, descriptions from the texts
under the fields. What a spec accepts besides (`motion_gate: true`, `5s`, a text for a camera) is told by one
table here; a way of reading that stands in no table is an error, so that the schema cannot fall behind.

Source: JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from argus.core.durations import parse_duration_s
from argus.core.resources.declared import NAME
from argus.core.resources.kinds import Kind, kinds
from argus.core.resources.phases import status_schema
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.resource import API_VERSION
from argus.core.resources.selectors import KEY, VALUE
from argus.core.resources.spec import Spec

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Final = {"type": "string"}
_OFF: Final = {"enum": ["off", "none"]}
_DURATION: Final = r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)\s*$"

_ALSO: Final[Mapping[str, list[dict[str, Any]]]] = {
    "CameraSpec._url_alone": [{"type": "string", "minLength": 1}],
    "ModelSpec._square": [{"type": "integer", "minimum": 8, "maximum": 8192}],
    "ModelSpec._one_class": [_TEXT],
    "PipelineSpec._gate_switch": [{"type": "boolean"}, _OFF],
    "PipelineSpec._model_alone": [_TEXT],
    "PipelineSpec._switch": [{"type": "boolean"}, _TEXT],
    "StoreSpec._every": [
        {"type": "string", "pattern": r"^every\s+\d+(\.\d+)?\s*(ms|s|m|h|d)\s*$"},
    ],
    "_several": [_TEXT],
}
"""What a validator that runs before the type accepts besides the type, by the name of its function."""


def schema_of(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema of a kind's envelope."""
    definitions = _definitions([kind.spec])
    return {
        "$schema": DIALECT,
        "$id": f"urn:{API_VERSION.replace('/', ':')}:{kind.name}",
        "title": kind.name,
        **_envelope(kind),
        "$defs": definitions,
    }


def schema_of_files() -> dict[str, Any]:
    """Return the JSON Schema of a document: the short form, an envelope, or the fields of a pipeline."""
    definitions = _definitions([kind.spec for kind in kinds()])
    for kind in kinds():
        definitions[f"{kind.name}Resource"] = {"title": kind.name, **_envelope(kind)}
    sections = {kind.plural: _section(kind) for kind in kinds()}
    bare = definitions[PipelineSpec.__name__]
    definitions["ShortForm"] = {
        "title": "Resources",
        "description": "Sections of names and their specs.",
        "type": "object",
        "properties": sections,
        "additionalProperties": False,
    }
    definitions["BarePipeline"] = {
        **bare,
        "title": "One pipeline",
        "properties": {**bare["properties"], **{k: v for k, v in sections.items() if k != "pipelines"}},
    }
    return {
        "$schema": DIALECT,
        "$id": f"urn:{API_VERSION.replace('/', ':')}:file",
        "title": "Argus resources",
        "type": "object",
        "if": {"anyOf": [{"required": ["kind"]}, {"required": ["apiVersion"]}]},
        "then": {
            "properties": {"kind": {"enum": [kind.name for kind in kinds()]}},
            "required": ["kind"],
            "allOf": [
                {
                    "if": {"properties": {"kind": {"const": kind.name}}, "required": ["kind"]},
                    "then": {"$ref": f"#/$defs/{kind.name}Resource"},
                }
                for kind in kinds()
            ],
        },
        "else": {
            "if": {"anyOf": [{"required": [name]} for name in bare["properties"]]},
            "then": {"$ref": "#/$defs/BarePipeline"},
            "else": {"$ref": "#/$defs/ShortForm"},
        },
        "$defs": definitions,
    }


def _envelope(kind: Kind) -> dict[str, Any]:
    labels = {
        "type": "object",
        "propertyNames": {"pattern": f"^{KEY.pattern}$"},
        "additionalProperties": {"type": "string", "pattern": f"^{VALUE.pattern}$"},
    }
    return {
        "description": _docstring(kind.spec),
        "type": "object",
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": kind.name},
            "metadata": {
                "type": "object",
                "properties": {
                    "name": {"description": "What it is called.", **_name()},
                    "labels": {"description": "What selectors look for.", **labels},
                    "annotations": {
                        "description": "What else is to be kept with it.",
                        "type": "object",
                        "additionalProperties": _TEXT,
                    },
                    "resourceVersion": {
                        "description": "The version it was made from: what was overtaken is refused.",
                        "type": ["string", "integer"],
                    },
                },
                "required": ["name"],
            },
            "spec": _spec(kind),
            "status": {
                "description": "Written by Argus alone.",
                "type": "object",
                "properties": status_schema(kind.name),
            },
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
    }


def _section(kind: Kind) -> dict[str, Any]:
    return {
        "description": _docstring(kind.spec),
        "type": ["object", "null"],
        "propertyNames": _name(),
        "additionalProperties": _spec(kind),
    }


def _spec(kind: Kind) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{kind.spec.__name__}"}
    if kind.text_is is None:
        return reference
    return {"anyOf": [{**_TEXT, "minLength": 1}, reference]}


def _name() -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{NAME.pattern}$"}


def _definitions(specs: list[type[Spec]]) -> dict[str, Any]:
    """Return the schema of each spec, and of all that they are made of, by the name of its class."""
    generator = _Generator(by_alias=True, ref_template="#/$defs/{model}")
    inputs = [(spec, "validation", spec.__pydantic_core_schema__) for spec in specs]
    found, schema = generator.generate_definitions(inputs)  # type: ignore[arg-type]
    definitions: dict[str, Any] = {str(name): definition for name, definition in schema.items()}
    for spec in specs:
        # What nothing refers to stands where it was made, and not among the definitions.
        own: Any = found[spec, "validation"]
        if "$ref" not in own:
            definitions[spec.__name__] = own
    described = {model.__name__: model for spec in specs for model in _models_in(spec)}
    tidied = {name: _tidied(definition) for name, definition in definitions.items()}
    for name, definition in tidied.items():
        if name in described:
            _describe(definition, described[name])
    return tidied


def _tidied(schema: Any) -> Any:
    """Return a schema in which arms of arms are arms, and a constraint stands in the arm that it is for."""
    if isinstance(schema, list):
        return [_tidied(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # A default is a value, and no schema.
    tidied = {key: value if key == "default" else _tidied(value) for key, value in schema.items()}
    arms = tidied.get("anyOf")
    if not isinstance(arms, list):
        return tidied
    arms = [inner for arm in arms for inner in (arm["anyOf"] if set(arm) == {"anyOf"} else [arm])]
    least = tidied.pop("ge", None)  # pydantic leaves what it cannot place as it is
    closed = tidied.pop("additionalProperties", None)
    for arm in arms:
        if least is not None and arm.get("type") == "number" and "exclusiveMinimum" not in arm:
            arm["minimum"] = least
        if closed is not None and arm.get("type") == "object":
            arm["additionalProperties"] = closed
    return {**tidied, "anyOf": arms}


def _describe(definition: dict[str, Any], model: type[BaseModel]) -> None:
    """Put the text under each field into the schema of it."""
    definition["description"] = _docstring(model)
    properties = definition.get("properties")
    if properties is None:  # a spec that may be a text as well
        properties = next(arm["properties"] for arm in definition["anyOf"] if "properties" in arm)
    for name, field in model.model_fields.items():
        text = next((t for owner in model.__mro__ if (t := _texts(owner).get(name)) is not None), None)
        if text is not None:
            properties[field.alias or name]["description"] = text.replace("None", "null")


def _models_in(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> Iterator[type[BaseModel]]:
    seen = set() if seen is None else seen
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.model_fields.values():
        for inner in _classes_in(field.annotation):
            yield from _models_in(inner, seen)


def _classes_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _classes_in(argument)


def _docstring(model: type[BaseModel]) -> str:
    return inspect.getdoc(model) or model.__name__


@cache
def _texts(model: type) -> dict[str, str]:
    """Return the text under each field of a class, read from its source; none where there is no source."""
    module = sys.modules.get(model.__module__)
    try:
        source = inspect.getsource(module) if module is not None else ""
    except (OSError, TypeError):
        return {}
    classes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    own = next((node for node in classes if node.name == model.__name__), None)
    texts: dict[str, str] = {}
    for before, after in zip(own.body, own.body[1:], strict=False) if own is not None else ():
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            texts[before.target.id] = " ".join(textwrap.dedent(after.value.value).split())
    return texts


class _Generator(GenerateJsonSchema):
    """pydantic's, with what is accepted before the type is looked at."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False: a field's name says as much."""
        return False

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """Return what is accepted before the type is looked at, and after."""
        inner = self.generate_inner(schema["schema"])
        function: Callable[..., Any] = schema["function"]["function"]
        if function is parse_duration_s:
            text = {"type": "string", "pattern": _DURATION}
            return {"anyOf": [inner, text], "examples": ["500ms", "5s", "2m"]}
        name = getattr(function, "__qualname__", "")
        if name == "<lambda>" and inner.get("type") == "array":
            return {"anyOf": [inner, inner["items"]]}  # one alone needs no list
        try:
            return {"anyOf": [inner, *_ALSO[name]]}
        except KeyError:
            raise LookupError(f"the schema does not know what {name} accepts: add it to _ALSO") from None
