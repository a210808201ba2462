"""Functions from bytes straight to the sparse form, generated from the layouts.

The function of a constructor takes the whole buffer and the offset after its constructor id, and returns the dict and
the offset after the object. Neighbouring fields of fixed size are read by one `unpack_from`, together with what begins
the field after them: a constructor id, a vector's head, the length of a string. A peer, whose constructors all have one
size, is read among them. Offsets only grow, so where a slice comes out short the offset has left the buffer: the next read
raises, or the last offset tells whoever called.

Generated source calls wire.NAMES, and besides `D`, constructor id -> function, and `u_` + format, which unpacks by it.
"""
from __future__ import annotations

from functools import cache
from itertools import groupby

from tgbulk.stages.telegram.schema import Field, Layout, SchemaError, constructors, layout
from tgbulk.stages.telegram.sparse import LEFT_OUT
from tgbulk.stages.telegram.wire import VECTOR

#: kind -> its struct format, its size in bytes, and how the value is made of what was unpacked
FIXED = {
    "flags": ("I", 4, "{}"),
    "int": ("i", 4, "{}"),
    "date": ("i", 4, "{}"),
    "long": ("q", 8, "{}"),
    "double": ("d", 8, "number({})"),
    "Bool": ("I", 4, "BOOLS[{}]"),
    "int128": ("16s", 16, "str(int.from_bytes({}, 'little', signed=True))"),
    "int256": ("32s", 32, "str(int.from_bytes({}, 'little', signed=True))"),
}

#: the kinds of other sizes -> format and size of what they begin with, and the names it is unpacked to
HEADS = {
    "object": ("I", 4, ["c"]),
    "vector": ("II", 8, ["h", "n"]),
    "string": ("B", 1, ["n"]),
    "bytes": ("B", 1, ["n"]),
}

#: kind -> expression of the value, for the expression of its bytes
#: (what is not UTF-8 raises, and Telethon has to say what it makes of that)
TEXTS = {"string": "{}.decode()", "bytes": "b2a_base64({}, newline=False).decode('ascii')"}

#: Constructors that are told apart in the function of what holds them.
MOST_TWINS = 4

#: Conditional fields in a row, all hanging on one flags word, that are worth a common test first.
GUARDED = 3


def function_name(constructor_id: int) -> str:
    """Name of the function in the generated source."""
    return f"decode_{constructor_id:08x}"


@cache
def twins(type: str) -> tuple[Layout, ...]:
    """The constructors of a type, where each of them holds one long and nothing else (Peer); else none."""
    found = tuple(layout(one) for one in constructors(type))
    alike = all([(field.kind, field.mask) for field in one.fields] == [("long", 0)] for one in found)
    return found if alike and len(found) <= MOST_TWINS else ()


class _Writer:
    """The source of one function, while it is written.

    `ahead` is how far the next byte to read is from the variable `o`. `pending` are the fields already in variables
    while the dict `d` has not been begun; it begins with the first field that may be absent.
    """

    def __init__(self, known: Layout, ahead: int) -> None:
        self.name = known.name
        self.lines = [f"def {function_name(known.id)}(b, o):"]
        self.indent = 1
        self.ahead = ahead
        self.pending: dict[str, str] | None = {"_": repr(known.name)}
        self.formats: set[str] = set()
        self._write_fields(known.fields)
        if self.pending is not None:
            self.put(f"return {self._literal()}, {self.here()}")
        else:
            self.put(f"return d, {self.here()}")

    def put(self, line: str) -> None:
        self.lines.append(" " * self.indent + line)

    def here(self, more: int = 0) -> str:
        """The offset of the next byte, plus `more`."""
        ahead = self.ahead + more
        return f"o + {ahead}" if ahead else "o"

    def settle(self) -> None:
        """Bring `o` to the next byte."""
        if self.ahead:
            self.put(f"o += {self.ahead}")
            self.ahead = 0

    def _literal(self) -> str:
        return "{" + ", ".join(f"{name!r}: {value}" for name, value in (self.pending or {}).items()) + "}"

    def begin(self) -> None:
        if self.pending is not None:
            self.put(f"d = {self._literal()}")
            self.pending = None

    def target(self, field: Field) -> str:
        """Where the value of a field goes: into the dict, or into a variable while there is none."""
        if self.pending is None:
            return f"d[{field.name!r}]"
        self.pending[field.name] = variable = f"v{len(self.pending)}"
        return variable

    def _write_fields(self, fields: tuple[Field, ...]) -> None:
        for word, group in groupby(fields, lambda field: field.word):
            members = list(group)
            if not word:
                self._write_row(members)
                continue
            self.begin()
            self.settle()
            conditions = [(mask, list(row)) for mask, row in groupby(members, lambda field: field.mask)]
            if guarded := len(conditions) >= GUARDED:
                every = 0
                for mask, _ in conditions:
                    every |= mask
                self.put(f"if {word} & {every}:")
            self.indent += guarded
            for mask, row in conditions:
                self.put(f"if {word} & {mask}:")
                self.indent += 1
                self._write_row(row)
                self.settle()
                self.indent -= 1
            self.indent -= guarded

    def _write_row(self, fields: list[Field]) -> None:
        """Fields that are present together."""
        run: list[Field] = []
        for field in fields:
            if field.kind == "true":
                self._write_run(run, None)
                run = []
                self._set_true(field)
            elif field.kind in FIXED or (field.kind == "object" and twins(field.type)):
                run.append(field)
            elif field.kind in HEADS:
                self._write_run(run, field)
                run = []
            else:
                raise SchemaError(f"cannot decode {field.kind} {field.name}")
        self._write_run(run, None)

    def _set_true(self, field: Field) -> None:
        if self.pending is None:
            self.put(f"d[{field.name!r}] = True")
        else:
            self.pending[field.name] = "True"

    def _write_run(self, run: list[Field], last: Field | None) -> None:
        """Fields of fixed size, and the one of another size that comes after them."""
        codes, size, names, later = "", 0, [], []
        for index, field in enumerate(run):
            code, width, value = ("Iq", 12, "") if field.kind == "object" else FIXED[field.kind]
            if field.kind == "object":
                names += [f"c{index}", f"t{index}"]
                later.append(f"{self.target(field)} = {self._twin(field, index, self.here(size))}")
            elif field.kind == "flags":
                names.append(field.name)
            elif value == "{}" and not later:
                names.append(self.target(field))
            else:
                names.append(f"t{index}")
                later.append(f"{self.target(field)} = {value.format(names[-1])}")
            codes, size = codes + code, size + width
        if last:
            code, width, head = HEADS[last.kind]
            if last.bare:
                code, width, head = "I", 4, ["n"]
            codes, size, names = codes + code, size + width, names + head
        if codes == "B":
            self.put(f"n = b[{self.here()}]")
        elif codes:
            self.formats.add(codes)
            self.put(f"{', '.join(names)}, = u_{codes}(b, {self.here()})")
        self.ahead += size
        for line in later:
            self.put(line)
        if last:
            write = {"object": self._write_object, "vector": self._write_vector}.get(last.kind, self._write_blob)
            write(last)

    def _twin(self, field: Field, index: int, offset: str) -> str:
        """The object whose constructor id is in a variable, and its long in another."""
        id, value = f"c{index}", f"t{index}"
        cases = [f"{{'_': {one.name!r}, {one.fields[0].name!r}: {value}}} if {id} == {one.id}" for one in twins(field.type)]
        return " else ".join([*cases, f"refuse_constructor({id}, {offset})"])

    def _write_object(self, field: Field) -> None:
        self.put(f"{self.target(field)}, o = D[c](b, {self.here()})")
        self.ahead = 0

    def _write_blob(self, field: Field) -> None:
        """A string or bytes, its first byte being in `n`."""
        self.settle()
        if field.name == LEFT_OUT:
            # Read through blob, as it is rare: only photos and documents have one, and an id before it.
            number = "d.get('id', 0)" if self.pending is None else self.pending.get("id", "0")
            self.put(f"REFERENCES[{self.name!r}, {number}], o = blob(b, o - 1)")
            return
        target = self.target(field)
        self.put("if n < 254:")
        self.put(f" {target} = {TEXTS[field.kind].format('b[o:o + n]')}")
        self.put(" o += (n + 4 & -4) - 1")
        self.put("else:")
        self.put(" x, o = long_blob(b, o)")
        self.put(f" {target} = {TEXTS[field.kind].format('x')}")

    def _write_vector(self, field: Field) -> None:
        """A vector, its count being in `n` and its id, unless it is bare, in `h`."""
        self.settle()
        if field.bare:
            self.put("if n > len(b): refuse_vector(0, n, o)")
        else:
            self.put(f"if h != {VECTOR} or n > len(b): refuse_vector(h, n, o)")
        target = self.target(field)
        if field.item in ("int", "long"):
            code, size, _ = FIXED[field.item]
            self.put(f"{target}, o = numbers(b, o, n, {code!r}, {size})")
            return
        if field.item != "object" and field.item not in TEXTS:
            raise SchemaError(f"cannot decode a vector of {field.item}, {field.name}")
        self.put("a = []")
        self.put("for _ in range(n):")
        if field.item == "object":
            self.formats.add("I")
            self.put(" c, = u_I(b, o)")
            self.put(" x, o = D[c](b, o + 4)")
            self.put(" a.append(x)")
        else:
            self.put(" x, o = blob(b, o)")
            self.put(f" a.append({TEXTS[field.item].format('x')})")
        self.put(f"{target} = a")


def source(known: Layout, ahead: int = 0) -> tuple[str, set[str]]:
    """Python source of the function that decodes a constructor, and the struct formats it unpacks by.

    Its first `ahead` bytes are no fields of the layout.
    """
    writer = _Writer(known, ahead)
    return "\n".join(writer.lines) + "\n", writer.formats
