"""The JSON schema of a recipe, as editors of TOML use it."""

from __future__ import annotations

from typing import Any

from edgekd.recipe.sections import Recipe

# Editors of TOML know this draft best.
_DIALECT = "http://json-schema.org/draft-07/schema#"
_ID = "urn:edgekd:recipe"


def json_schema() -> dict[str, Any]:
    """The schema in draft 7: without nulls, which TOML has none of, and with the forms that only files may use."""
    table = Recipe.model_json_schema(ref_template="#/definitions/{model}")
    converted: dict[str, Any] = _convert(table)
    converted["definitions"] = converted.pop("$defs")
    _require_forms(converted)
    _describe_tables(converted)
    return {"$schema": _DIALECT, "$id": _ID, **converted}


def _convert(node: Any) -> Any:
    if isinstance(node, list):
        return [_convert(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    node = {key: _convert(value) for key, value in node.items() if not _is_table_default(key, value)}
    if "prefixItems" in node:
        node["items"] = node.pop("prefixItems")
    if isinstance(node.get("anyOf"), list):
        node = _without_null(node)
    if "$ref" in node and len(node) > 1:  # Draft 7 ignores what stands beside a reference.
        node = {"allOf": [{"$ref": node.pop("$ref")}], **node}
    if isinstance(node.get("title"), str):
        del node["title"]
    return node


def _is_table_default(key: str, value: Any) -> bool:
    """TOML has no null, and the keys of a table have their own defaults."""
    return key == "default" and (value is None or isinstance(value, dict))


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in node["anyOf"] if kind != {"type": "null"}]
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    return {**kinds[0], **rest} if len(kinds) == 1 else {**rest, "anyOf": kinds}


def _require_forms(schema: dict[str, Any]) -> None:
    """A table that is one of several must name its form; only Hinton's objective is the default where none is named."""
    for name, table in schema["definitions"].items():
        for key in ("name", "kind"):
            if "const" in table.get("properties", {}).get(key, {}) and name != "Hinton":
                table["required"] = sorted({*table.get("required", []), key})


def _describe_tables(schema: dict[str, Any]) -> None:
    """Pydantic leaves out a key's description where its table has the same."""
    for table in (schema, *schema["definitions"].values()):
        for name, key in table.get("properties", {}).items():
            if "$ref" in key and len(key) == 1:
                target = schema["definitions"][key["$ref"].rpartition("/")[2]]
                table["properties"][name] = {"allOf": [dict(key)], "description": target["description"]}
