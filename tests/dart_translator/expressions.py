"""Expressions of Dart as Python's, with Dart's types asserted."""

from __future__ import annotations

from collections.abc import Sequence

from tree_sitter import Node

from dart_translator import runtime
from dart_translator.syntax import (
    BINARY,
    DartSyntaxError,
    cut,
    first,
    flatten,
    join,
    name_of,
    parts_of,
    source_of,
    split,
    type_of,
)


class Scope:
    """The class that code stands in, and the names that are local to the function."""

    def __init__(
        self, members: frozenset[str] = frozenset(), owner: str = "", statics: frozenset[str] = frozenset()
    ) -> None:
        self.members, self.owner, self.statics = members, owner, statics
        self.locals: set[str] = set()

    def read(self, name: str) -> str:
        if name in self.locals:
            return name
        return f"self.{name}" if name in self.members else f"{self.owner}.{name}" if name in self.statics else name


class Expressions:
    """Translates the expressions of one file; ``where`` is what errors call it."""

    def __init__(self, where: str) -> None:
        self._where = where

    def unknown(self, node: Node) -> DartSyntaxError:
        """The error for what is not translated."""
        return DartSyntaxError(f"{self._where}:{node.start_point.row + 1}: {node.type} is not translated")

    # Expressions: a list of nodes is one primary with its selectors.

    def expression(self, nodes: Sequence[Node], scope: Scope) -> str:
        nodes = [node for node in nodes if node.type not in ("comment",)]
        value = self._primary(nodes[0], scope)
        member: str | None = None
        for node in nodes[1:]:
            part = node.children[0] if node.type == "selector" else node
            if part.type == "!":
                value = f"_dart_not_null({value})"
            elif part.type == "argument_part":
                arguments = self._arguments(first(part, "arguments"), scope)
                if member in runtime.METHODS:
                    value = f"{runtime.METHODS[member]}({value})"
                elif member is not None:
                    value = f"{value}.{'append' if member == 'add' else member}({arguments})"
                else:
                    value = f"{value}({arguments})"
                member = None
            elif part.type == "unconditional_assignable_selector":
                if member is not None:
                    value, member = self._property(value, member), None
                if part.children[0].type == "index_selector":
                    index = self.expression(parts_of(part.children[0])[1:-1], scope)
                    value = f"_dart_item({value}, {index})"
                else:
                    member = source_of(part.named_children[0])
            else:
                raise self.unknown(part)
        return value if member is None else self._property(value, member)

    def _property(self, value: str, name: str) -> str:
        return f"len({value})" if name == "length" else f"{value}.{name}"

    def _arguments(self, node: Node, scope: Scope) -> str:
        texts = []
        for one in node.named_children:
            if one.type == "argument":
                inner = one.children[0] if one.children[0].type == "named_argument" else one
                parts = parts_of(inner)
                if parts[0].type == "label":
                    texts.append(f"{name_of(parts[0].named_children[0])}={self.expression(parts[1:], scope)}")
                else:
                    texts.append(self.expression(parts, scope))
            elif one.type == "named_argument":
                parts = parts_of(one)
                texts.append(f"{name_of(parts[0].named_children[0])}={self.expression(parts[1:], scope)}")
            elif one.type != "comment":
                raise self.unknown(one)
        return ", ".join(texts)

    def _primary(self, node: Node, scope: Scope) -> str:
        parts = parts_of(node)
        if node.type in ("identifier", "identifier_dollar_escaped"):
            return scope.read(name_of(node))
        if node.type in ("decimal_integer_literal", "decimal_floating_point_literal"):
            return source_of(node)
        if node.type in ("true", "false", "null_literal"):
            return {"true": "True", "false": "False", "null_literal": "None"}[node.type]
        if node.type == "string_literal":
            return self._string(node, scope)
        if node.type == "parenthesized_expression":
            return f"({self.expression(parts[1:-1], scope)})"
        if node.type in BINARY:
            return self._binary(list(flatten(node)), scope)
        if node.type == "unary_expression":
            sign = "not " if source_of(parts[0]) == "!" else source_of(parts[0])
            return f"({sign}{self.expression(parts[1:], scope)})"
        if node.type == "conditional_expression":
            ((test, rest),) = [cut(parts, "?")]
            yes, no = cut(rest, ":")
            yes_text, no_text = self.expression(yes, scope), self.expression(no, scope)
            return f"({yes_text} if {self.expression(test, scope)} else {no_text})"
        if node.type == "type_cast_expression":
            return f"_dart_of_type({self.expression(parts[:-1], scope)}, {type_of(parts[-1].children)!r})"
        if node.type == "type_test_expression":
            negated = "not " if "!" in source_of(parts[-1].children[0]) else ""
            return f"({negated}_dart_is_a({self.expression(parts[:-1], scope)}, {type_of(parts[-1].children)!r}))"
        if node.type == "const_object_expression":
            return f"{source_of(first(node, 'type_identifier'))}({self._arguments(first(node, 'arguments'), scope)})"
        if node.type == "list_literal":
            items = [part for part in parts if part.type not in ("const_builtin", "type_arguments")][1:-1]
            return f"[{', '.join(self.expression(one, scope) for one in split(items, ',') if one)}]"
        if node.type == "set_or_map_literal":
            pairs = [cut(parts_of(part), ":") for part in parts if part.type == "pair"]
            return "{" + ", ".join(f"{self.expression(k, scope)}: {self.expression(v, scope)}" for k, v in pairs) + "}"
        raise self.unknown(node)

    def _binary(self, parts: Sequence[Node], scope: Scope) -> str:
        groups: list[list[Node]] = [[]]
        operators = []
        for part in parts:
            if part.type.endswith("_operator") or part.type == "??":
                operators.append(source_of(part))
                groups.append([])
            else:
                groups[-1].append(part)
        return join([self.expression(group, scope) for group in groups], operators)

    def _string(self, node: Node, scope: Scope) -> str:
        content = source_of(node).encode()
        start, pieces, at = node.start_byte, [], 1
        for part in node.children[1:-1]:
            if part.type not in ("escape_sequence", "template_substitution"):
                continue
            pieces.append(repr(content[at : part.start_byte - start].decode()))
            if part.type == "escape_sequence":
                pieces.append(repr(source_of(part)[1:].replace("n", "\n")))
            else:
                inner = [one for one in part.children if one.type not in ("$", "{", "}")]
                pieces.append(f"_dart_text({self.expression(inner, scope)})")
            at = part.end_byte - start
        pieces.append(repr(content[at:-1].decode()))
        return "(" + " + ".join(piece for piece in pieces if piece != "''") + ")" if pieces != ["''"] else "''"
