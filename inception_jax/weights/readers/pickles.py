"""Pickles of state dicts, run by a machine that knows no more than state dicts need.

A pickle is a program for a stack machine. Python's own would import and call whatever the program names. This one
imports nothing: a name stays a name, calling one asks the caller what that makes, and opcodes that state dicts do not
have are refused.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

from inception_jax.weights.readers.files import BadFile

LONGEST = 16 << 20  # bytes; a state dict of these networks has a hundred thousand

_PUSHES_ARGUMENT = {
    "BININT", "BININT1", "BININT2", "INT", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
}  # fmt: skip
_PUSHES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()
_OBJECTS = "its pickle makes objects; save the module's state_dict() instead"


class Name(NamedTuple):
    """Something that a pickle would have imported."""

    name: str


def run(
    data: memoryview, at: int, call: Callable[[Name, tuple[Any, ...]], Any], persistent: Callable[[Any], Any]
) -> tuple[Any, int]:
    """Runs the pickle that starts at byte `at`.

    Args:
      data: the bytes.
      at: where the pickle starts.
      call: what a name makes of its arguments; it refuses by raising `BadFile`.
      persistent: what a persistent identifier stands for.

    Returns:
      What the pickle makes, and where it ends.

    Raises:
      BadFile: no pickle, cut off, or one that asks for more than a state dict needs.
    """
    machine = _Machine(call, persistent)
    program = io.BytesIO(data[at : at + LONGEST])
    try:
        for opcode, argument, _ in pickletools.genops(program):
            if opcode.name == "STOP":
                return machine.stack.pop(), at + program.tell()
            machine.step(opcode.name, argument)
    except BadFile:
        raise
    # what a stack machine and `pickletools` raise on a program that is none
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, AttributeError, UnicodeError) as error:
        raise BadFile(f"its pickle is damaged: {str(error)[:80] or type(error).__name__!r}") from error
    raise BadFile("its pickle has no end")


class _Machine:
    def __init__(self, call: Callable[[Name, tuple[Any, ...]], Any], persistent: Callable[[Any], Any]) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.call = call
        self.persistent = persistent

    def step(self, opcode: str, argument: Any) -> None:
        """One instruction."""
        stack = self.stack
        if opcode in _PUSHES_ARGUMENT:
            stack.append(argument)
            return
        if opcode in _PUSHES:
            stack.append(_PUSHES[opcode]())
            return
        match opcode:
            case "PROTO" | "FRAME":
                pass
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = _SHORT_TUPLES[opcode]
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(self.since_mark()))
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(Name(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(Name(f"{module:s}.{name:s}"))
            case "REDUCE":
                arguments, name = stack.pop(), stack.pop()
                if not isinstance(name, Name) or not isinstance(arguments, tuple):
                    raise BadFile("its pickle calls what is no name")
                stack.append(self.call(name, arguments))
            case "BUILD":
                stack.pop()  # attributes, as `_metadata` of a state dict: they hold no weights
                if not isinstance(stack[-1], dict):
                    raise BadFile(_OBJECTS)
            case "NEWOBJ" | "NEWOBJ_EX" | "OBJ" | "INST":
                raise BadFile(_OBJECTS)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self.fill([key, value])
            case "SETITEMS":
                self.fill(self.since_mark())
            case "APPEND":
                self.extend([stack.pop()])
            case "APPENDS":
                self.extend(self.since_mark())
            case "BINPERSID":
                stack.append(self.persistent(stack.pop()))
            case _:
                raise BadFile(f"its pickle has the instruction {opcode}, which state dicts do not need")

    def since_mark(self) -> list[Any]:
        """Takes what lies above the last mark, and the mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise BadFile("its pickle is damaged: it lacks a mark")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def fill(self, items: list[Any]) -> None:
        """Keys and values in turn, into the dict on top; no other key is safe to hash."""
        target = self.stack[-1]
        if not isinstance(target, dict) or not all(isinstance(key, str | int) for key in items[::2]):
            raise BadFile("its pickle fills something other than a dict by names")
        target.update(zip(items[::2], items[1::2], strict=True))

    def extend(self, items: list[Any]) -> None:
        """Puts items into the list on top."""
        target = self.stack[-1]
        if not isinstance(target, list):
            raise BadFile("its pickle is damaged: it appends to something other than a list")
        target.extend(items)
