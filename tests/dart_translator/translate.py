"""Runs plain Dart in Python: the syntax tree, by a grammar of Dart, becomes Python with Dart's types asserted.

It is no Dart compiler: it knows what the package for Flutter uses, and refuses the rest. Every declared type of a
variable, parameter, field and result is checked when the code runs, and ints and doubles are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tree_sitter import Node

from dart_translator import runtime
from dart_translator.expressions import Expressions, Scope
from dart_translator.syntax import TYPE_PARTS, checked, cut, first, name_of, parse, parts_of, source_of, split, type_of


def run_dart(files: Sequence[Path]) -> SimpleNamespace:
    """What the files define; each may use what the ones before it define."""
    names: dict[str, Any] = {
        **runtime.LIBRARIES,
        **{f"_dart_{name}": getattr(runtime, name) for name in _RUNTIME},
    }
    for file in files:
        source = translate(file.read_bytes(), str(file))
        exec(compile(source, f"{file} as Python", "exec"), names)
    return SimpleNamespace(**names)


_RUNTIME = ("quotient", "whole_quotient", "not_null", "item", "put", "text", "is_a", "of_type", "to_int")


def translate(source: bytes, where: str) -> str:
    """Dart's source as Python's. Raises DartSyntaxError."""
    return "from enum import Enum\n" + "\n".join(_Module(parse(source, where), where).lines()) + "\n"


class _Module(Expressions):
    """The declarations of one file."""

    def __init__(self, root: Node, where: str) -> None:
        super().__init__(where)
        self._root = root

    def lines(self) -> Iterator[str]:
        nodes = parts_of(self._root)
        for place, node in enumerate(nodes):
            if node.type in ("import_or_export", "type_alias", "const_builtin", "function_body", ";"):
                continue
            if node.type in TYPE_PARTS:
                continue
            if node.type == "enum_declaration":
                names = [source_of(first(one, "identifier")) for one in first(node, "enum_body").named_children]
                yield f"class {source_of(first(node, 'identifier'))}(Enum):"
                yield from (f"    {name} = {name!r}" for name in names)
            elif node.type == "class_definition":
                yield from self._class(node)
            elif node.type == "function_signature":
                yield from self._function(node, nodes[place + 1], Scope(), "")
            elif node.type == "static_final_declaration_list":
                for one in node.named_children:
                    yield f"{name_of(one.named_children[0])} = {self.expression(parts_of(one)[2:], Scope())}"
            else:
                raise self.unknown(node)

    # Classes and functions.

    def _class(self, node: Node) -> Iterator[str]:
        body = parts_of(first(node, "class_body"))[1:-1]
        fields: dict[str, str] = {}
        for one in body:
            if one.type == "declaration" and any(part.type == "initialized_identifier_list" for part in one.children):
                names = first(one, "initialized_identifier_list").named_children
                fields |= {source_of(name): type_of(one.children) for name in names}
        methods = {
            source_of(first(first(one, "function_signature"), "identifier")): one.children[0].type == "static"
            for one in body
            if one.type == "method_signature"
        }
        members = frozenset(fields) | {name for name, is_static in methods.items() if not is_static}
        statics = frozenset(methods) - members
        owner = source_of(first(node, "identifier"))
        yield f"class {owner}:"
        for place, one in enumerate(body):
            if one.type == "declaration" and any("constructor_signature" in part.type for part in one.children):
                yield from self._constructor(one, fields)
            elif one.type == "method_signature":
                is_static = one.children[0].type == "static"
                if is_static:
                    yield "    @staticmethod"
                scope = Scope(frozenset() if is_static else members, owner, statics)
                signature = first(one, "function_signature")
                yield from self._function(signature, body[place + 1], scope, "    ", has_this=not is_static)
            elif one.type not in ("declaration", "function_body", ";"):
                raise self.unknown(one)

    def _constructor(self, node: Node, fields: dict[str, str]) -> Iterator[str]:
        signature = next(part for part in node.children if "constructor_signature" in part.type)
        scope = Scope()
        parameters, names = self._parameters(first(signature, "formal_parameter_list"), scope)
        yield f"    def __init__(self{', ' if parameters else ''}{', '.join(parameters)}):"
        yield "        pass"
        for name, _ in names:
            yield f"        self.{name} = {checked(name, fields[name])}"
        for part in node.children:
            if part.type == "initializers":
                for entry in part.named_children:
                    field = entry.named_children[0]
                    value = self.expression(parts_of(field)[2:], scope)
                    yield f"        self.{source_of(field.children[0])} = {value}"

    def _parameters(self, node: Node, scope: Scope) -> tuple[list[str], list[tuple[str, str]]]:
        """Parameters as Python writes them, and each name with its type; those of `this.name` have none."""
        texts, names = [], []
        for one in parts_of(node):
            if one.type == "formal_parameter":
                name, kind = self._parameter(one)
                texts.append(name)
                names.append((name, kind))
            elif one.type == "optional_formal_parameters":
                if one.children[0].type == "{":
                    texts.append("*")
                for group in split(parts_of(one)[1:-1], ","):
                    place = next(i for i, part in enumerate(group) if part.type == "formal_parameter")
                    name, kind = self._parameter(group[place])
                    is_required = any(part.type == "required" for part in group)
                    default = self.expression(group[place + 2 :], scope) if len(group) > place + 1 else "None"
                    texts.append(name if is_required else f"{name}={default}")
                    names.append((name, kind))
        scope.locals |= {name for name, _ in names}
        return texts, names

    def _parameter(self, node: Node) -> tuple[str, str]:
        inner = node.children[0] if node.children[0].type == "constructor_param" else node
        return name_of([part for part in inner.children if part.type == "identifier"][-1]), type_of(inner.children)

    def _function(
        self, signature: Node, body: Node, scope: Scope, indent: str, has_this: bool = False
    ) -> Iterator[str]:
        name = name_of(first(signature, "identifier"))
        parameters, names = self._parameters(first(signature, "formal_parameter_list"), scope)
        if has_this:
            parameters.insert(0, "self")
        result = type_of(signature.children)
        yield f"{indent}def {name}({', '.join(parameters)}):"
        inner = indent + "    "
        for parameter, kind in names:
            if (check := checked(parameter, kind)) != parameter:
                yield inner + check
        if body.children[0].type == "=>":
            yield f"{inner}return {checked(self.expression(parts_of(body)[1:-1], scope), result)}"
            return
        yield from _Body(self, scope, result).block(body.children[0], inner)


class _Body:
    """The statements of one function."""

    def __init__(self, module: _Module, scope: Scope, result: str) -> None:
        self._module, self._scope, self._result = module, scope, result

    def block(self, node: Node, indent: str) -> Iterator[str]:
        yield f"{indent}pass"
        for one in parts_of(node)[1:-1]:
            yield from self._statement(one, indent)

    def _value(self, nodes: Sequence[Node]) -> str:
        return self._module.expression(nodes, self._scope)

    def _statement(self, node: Node, indent: str) -> Iterator[str]:
        parts = parts_of(node)
        inner = indent + "    "
        if node.type == "local_variable_declaration":
            yield from self._variable(node, indent)
        elif node.type == "expression_statement":
            yield indent + self._effect(parts[:-1])
        elif node.type == "return_statement":
            value = self._value(parts[1:-1]) if len(parts) > 2 else "None"
            yield f"{indent}return {checked(value, self._result)}"
        elif node.type == "if_statement":
            yield from self._if(node, indent)
        elif node.type == "while_statement":
            yield f"{indent}while {self._value([parts[1]])}:"
            yield from self.block(parts[2], inner)
        elif node.type == "for_statement":
            yield from self._for(node, indent)
        elif node.type == "try_statement":
            yield f"{indent}try:"
            yield from self.block(parts[1], inner)
            error = source_of(first(first(node, "catch_clause"), "catch_parameters").named_children[0])
            self._scope.locals.add(error)
            yield f"{indent}except {source_of(first(node, 'type_identifier'))} as {error}:"
            yield from self.block(parts[-1], inner)
        else:
            raise self._module.unknown(node)

    def _variable(self, node: Node, indent: str) -> Iterator[str]:
        definition = node.named_children[0]
        names, values = cut(parts_of(definition), "=")
        name = name_of(names[-1])
        value = self._value(values)
        self._scope.locals.add(name)
        yield f"{indent}{name} = {checked(value, type_of(names))}"

    def _effect(self, nodes: Sequence[Node]) -> str:
        node = nodes[0]
        if node.type == "throw_expression":
            return f"raise {self._value(parts_of(node)[1:])}"
        if node.type == "postfix_expression":
            return f"{self._value(parts_of(node)[0].children)} {source_of(parts_of(node)[1])[0]}= 1"
        if node.type != "assignment_expression":
            return self._value(nodes)
        target, *rest = parts_of(node)
        operator, value = source_of(rest[0]), self._value(rest[1:])
        places = parts_of(target)
        if len(places) == 1:
            return f"{self._value(places)} {operator} {value}"
        last = places[-1].children[0]
        if operator != "=" or last.type != "index_selector":
            raise self._module.unknown(node)
        return f"_dart_put({self._value(places[:-1])}, {self._value(parts_of(last)[1:-1])}, {value})"

    def _if(self, node: Node, indent: str) -> Iterator[str]:
        parts = parts_of(node)
        end = next(i for i, part in enumerate(parts) if part.type == ")")
        yield f"{indent}if {self._value(parts[2:end])}:"
        yield from self.block(parts[end + 1], indent + "    ")
        if len(parts) > end + 2:
            other = parts[-1]
            yield f"{indent}else:"
            if other.type == "if_statement":
                yield from self._if(other, indent + "    ")
            else:
                yield from self.block(other, indent + "    ")

    def _for(self, node: Node, indent: str) -> Iterator[str]:
        loop, inner = first(node, "for_loop_parts"), indent + "    "
        parts = [part for part in parts_of(loop) if part.type not in ("(", ")")]
        if any(part.type == "in" for part in parts):
            names, values = cut(parts, "in")
            name = name_of(names[-1])
            value = self._value(values)
            self._scope.locals.add(name)
            yield f"{indent}for {name} in {value}:"
            yield f"{inner}{checked(name, type_of(names))}"
            yield from self.block(node.children[-1], inner)
            return
        yield from self._variable(parts[0], indent)
        test, step = cut(parts[1:], ";")
        yield f"{indent}while {self._value(test)}:"
        yield from self.block(node.children[-1], inner)
        yield inner + self._effect(step)
