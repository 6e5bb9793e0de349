"""The syntax tree of Dart, by tree-sitter's grammar, and what is read of it."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Sequence

import tree_sitter_dart
from tree_sitter import Language, Node, Parser

CHECKED = ("int", "double", "bool", "String", "num", "Uint8List", "Map", "List", "Float32List")
BINARY = {
    "additive_expression", "multiplicative_expression", "shift_expression", "relational_expression",
    "equality_expression", "logical_and_expression", "logical_or_expression", "if_null_expression",
}  # fmt: skip
TYPE_PARTS = ("type_identifier", "type_arguments", "nullable_type", "void_type", "inferred_type")
_PRECEDENCE = {
    operator: level
    for level, operators in enumerate(("??", "||", "&&", "== !=", "< > <= >=", ">> <<", "+ -", "* / ~/"))
    for operator in operators.split()
}
_WORDS = {"&&": "and", "||": "or"}


class DartSyntaxError(Exception):
    """Dart that is not Dart, or that this translator does not know."""


def parse(source: bytes, where: str) -> Node:
    """The syntax tree of Dart's source. Raises DartSyntaxError where it is not Dart."""
    root = Parser(Language(tree_sitter_dart.language())).parse(source).root_node
    for node in walk(root):
        if node.is_error or node.is_missing:
            raise DartSyntaxError(f"{where}:{node.start_point.row + 1}: {node.type} {node.text!r:.60}")
    return root


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def source_of(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def name_of(node: Node) -> str:
    name = source_of(node)
    return f"{name}_" if keyword.iskeyword(name) else name


def parts_of(node: Node) -> list[Node]:
    return [child for child in node.children if child.type not in ("comment", "documentation_comment")]


def first(node: Node, *types: str) -> Node:
    return next(child for child in node.children if child.type in types)


def type_of(nodes: Sequence[Node]) -> str:
    return "".join(source_of(node) for node in nodes if node.type in TYPE_PARTS)


def checked(value: str, kind: str) -> str:
    return f"_dart_of_type({value}, {kind!r})" if kind.rstrip("?").partition("<")[0] in CHECKED else value


def flatten(node: Node) -> Iterator[Node]:
    """Operands and operators of a chain without parentheses: the grammar nests some against Dart's precedence."""
    for part in parts_of(node):
        if part.type in BINARY:
            yield from flatten(part)
        else:
            yield part


def join(values: list[str], operators: list[str]) -> str:
    """A chain by Dart's precedence; all of these operators but ?? go from the left."""
    if not operators:
        return values[0]
    least = min(_PRECEDENCE[operator] for operator in operators)
    place = max(i for i, operator in enumerate(operators) if _PRECEDENCE[operator] == least)
    operator = operators[place]
    left = join(values[: place + 1], operators[:place])
    right = join(values[place + 1 :], operators[place + 1 :])
    if operator in ("/", "~/"):
        return f"{'_dart_quotient' if operator == '/' else '_dart_whole_quotient'}({left}, {right})"
    if operator == "??":
        return f"({right} if {left} is None else {left})"
    return f"({left} {_WORDS.get(operator, operator)} {right})"


def split(nodes: Sequence[Node], separator: str) -> list[list[Node]]:
    groups: list[list[Node]] = [[]]
    for node in nodes:
        if node.type == separator:
            groups.append([])
        else:
            groups[-1].append(node)
    return [group for group in groups if group]


def cut(nodes: Sequence[Node], separator: str) -> tuple[list[Node], list[Node]]:
    place = next(i for i, node in enumerate(nodes) if node.type == separator)
    return list(nodes[:place]), list(nodes[place + 1 :])
