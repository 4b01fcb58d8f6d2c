"""JSON Schemas as clients like them: flat, without references, and without a null beside every optional argument."""

from typing import Any

from pydantic import BaseModel


def input_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a tool's arguments. Several clients and model providers do not follow `$ref`."""
    schema = model.model_json_schema()
    flat = _flat(schema, schema.get("$defs", {}), drop_null=True)
    # A tool's own arguments first: models read from the top.
    own = [name for name in model.__annotations__ if name in flat["properties"]]
    flat["properties"] = {name: flat["properties"][name] for name in (*own, *flat["properties"])}
    return {
        key: value for key, value in flat.items() if key in ("type", "properties", "required", "additionalProperties")
    }


def output_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a tool's result, flat; nulls stay, because results do hold them."""
    schema = model.model_json_schema(mode="serialization")
    flat = _flat(schema, schema.get("$defs", {}), drop_null=False)
    return {key: value for key, value in flat.items() if key in ("type", "properties", "required")}


def _flat(node: Any, definitions: dict[str, Any], *, drop_null: bool) -> Any:
    if isinstance(node, list):
        return [_flat(item, definitions, drop_null=drop_null) for item in node]
    if not isinstance(node, dict):
        return node
    if drop_null and "anyOf" in node:
        node = _without_null(node)
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    # `title` repeats the property's name; inside `properties` it is a property of that name.
    return {
        key: (
            {name: _flat(value, definitions, drop_null=drop_null) for name, value in content.items()}
            if key == "properties"
            else _flat(content, definitions, drop_null=drop_null)
        )
        for key, content in node.items()
        if not (key == "title" and isinstance(content, str))
        and not (drop_null and key == "default" and content is None)
    }


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in node["anyOf"] if kind.get("type") != "null"]
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    return {**kinds[0], **rest} if len(kinds) == 1 else {**rest, "anyOf": kinds}
