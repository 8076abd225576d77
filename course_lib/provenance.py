"""Which code made a figure, a model, a notebook: a hash of the definitions that it can reach.

Functions, classes and constants are followed by name through the modules of `course_lib`, from what is measured to the
last constant that it uses; statements that run for effect when a module is imported count whenever it is. So a new
definition in a room makes nothing stale, and a changed one only what uses it. A method call counts its whole class; a
module that is handed around (`getattr(module, name)`), named in a string or imported by `*` counts whole. A packaged
data file counts by its bytes where a reached definition names it. Where a file lies, and under which name something is
imported, does not count.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from inspect import unwrap
from pathlib import Path
from types import FunctionType
from typing import NamedTuple

import course_lib
from course_lib.definitions import Definition, Imported, Module, Reference, parse

ROOT = Path(course_lib.__file__).resolve().parent
MEASURING = {"seeds", "measure", "full"}
JUDGING = {"judge"}
RECIPES = "zoo/recipes/*.py"  # each ends in RECIPES = [Recipe(name=…), …]
HASHES = {"code", "words"}  # of a record, that nobody is shown
LEAST_OF_A_NAME = 3  # characters of a data file's name that an f-string must hold to name it


def code_hash(experiment: Path) -> str:
    """Hash of what can change the figures of an experiment: what `measure`, `seeds` and `full` of its Claim reach."""
    return _claim_reach(experiment, lambda argument: argument in MEASURING or argument is None).hash()


def judge_hash(experiment: Path) -> str:
    """Hash of what turns figures into a verdict: what `judge` reaches."""
    return _claim_reach(experiment, lambda argument: argument in JUDGING).hash(effects=False)


def words_hash(experiment: Path) -> str:
    """Hash of what is only said, or only tried in the quick form: the other arguments of `Claim(...)`."""
    return _claim_reach(experiment, lambda argument: argument not in MEASURING | JUDGING).hash(effects=False)


def objects_hash(*objects: object) -> str:
    """Hash of what functions, classes and partials of them reach, and what an object's class does; None is itself.

    What another package defines counts by its name.
    """
    reach = Reach()
    for each in objects:
        while isinstance(each, partial):
            reach.tell(ascii((each.args, sorted(each.keywords.items()))))
            each = each.func
        each = unwrap(getattr(each, "__func__", each))
        if not isinstance(each, FunctionType | type):
            each = type(each)
        file = Path(sys.modules[each.__module__].__file__ or "") if each.__module__ != "builtins" else Path()
        if file.is_relative_to(ROOT) or (file.is_file() and "site-packages" not in file.parts):
            reach.tell(reach.follow(Place(file, each.__qualname__.split(".")[0])))
        else:
            reach.tell(f"{each.__module__}.{each.__qualname__}")
    return reach.hash()


def files_hash(files: Iterable[Path]) -> str:
    """Hash of all that whole files can reach: notebooks, errata, exercises. If one prints errors, their text counts."""
    files = list(files)
    reach = Reach(errors=any(_prints_errors(parse(file.read_text(encoding="utf-8"))) for file in files[:1]))
    for file in files:
        reach.tell(reach.follow(Place(file, WHOLE)))
    return reach.hash()


def sources_named(file: Path, call: str) -> list[str]:
    """Path and raw text of the definitions that a file hands to a function, as in `show_source(attend)`."""
    reach = Reach()
    module, found = reach.module(file), []
    for reference in module.read(node for call in _calls(module, call) for node in call.args).references:
        place, _ = reach.resolve(file, reference)
        if isinstance(place, Place):
            shown = (
                [each.source for each in reach.definitions(place)] if place.name else [place.file.read_text("utf-8")]
            )
            where = place.file.relative_to(ROOT).as_posix() if place.file.is_relative_to(ROOT) else place.file.name
            found += ["\n".join([where, *shown])]
    return found


class Place(NamedTuple):
    """A definition of a file; the file itself where `name` is WHOLE."""

    file: Path
    name: str


WHOLE = ""


class Reach:
    """All that can be reached, in the order in which it is found: a number stands for each definition.

    Files are read once, so that one `Reach` sees one state of them.
    """

    def __init__(self, errors: bool = False) -> None:
        self.errors = errors
        self.numbers: dict[Place, int] = {}
        self.parts: list[str] = []
        self.strings: set[str] = set()
        self.executed: set[Path] = set()
        self.queue: list[tuple[Path, Definition]] = []
        self._modules: dict[Path, Module] = {}
        self._files: dict[tuple[str, ...], Path | None] = {}

    def hash(self, effects: bool = True) -> str:
        """Hash of what was told and followed and what that leads to: effects of imports and data files, too."""
        done: set[tuple[Path, Definition]] = set()
        while True:
            self._drain()
            self._follow_recipes()
            new = [each for each in self._effects() if each not in done] if effects else []
            if not new:
                break
            done |= set(new)
            self.queue += sorted(new, key=lambda each: each[1].text)
        for file in sorted(self._data_files(), key=lambda file: file.name):
            self.tell(f"{file.name} {hashlib.sha256(data_bytes(file)).hexdigest()}")
        return hashlib.sha256("\0\0".join(self.parts).encode()).hexdigest()

    def tell(self, text: str) -> None:
        """Let a text count."""
        self.parts.append(text)

    def take(self, file: Path, definition: Definition) -> None:
        """Start from something said in a file."""
        self._execute(file)
        self.queue.append((file, definition))

    def follow(self, place: Place) -> str:
        """The number of a definition, which is visited before the hash is made."""
        if place.name not in self.module(place.file).definitions:
            place = Place(place.file, WHOLE)
        if place not in self.numbers:
            self.numbers[place] = len(self.numbers)
            self._execute(place.file)
            self.queue += [(place.file, definition) for definition in self.definitions(place)]
        return f"#{self.numbers[place]}"

    def definitions(self, place: Place) -> list[Definition]:
        """What is defined at a place; all of a file in the order of names."""
        known = self.module(place.file).definitions
        if place.name in known:
            return known[place.name]
        return list(dict.fromkeys(each for name in sorted(known) for each in known[name]))

    def module(self, file: Path) -> Module:
        """The file, read. Raises SyntaxError, OSError."""
        if file not in self._modules:
            self._modules[file] = parse(file.read_text(encoding="utf-8"))
        return self._modules[file]

    def resolve(self, file: Path, reference: Reference) -> tuple[Place | str, str]:
        """Where a name used in a file is defined, or its full name if that is not ours; and what is taken from it."""
        start, attributes = reference.start, list(reference.attributes)
        found = self._imported(file, start) if isinstance(start, Imported) else self._lookup(file, start)
        while isinstance(found, Place) and found.name == WHOLE and attributes:
            inner = self._lookup(found.file, attributes[0])
            if inner is None:
                break
            found, _ = inner, attributes.pop(0)
        return found, "".join(f".{each}" for each in attributes)

    def _drain(self) -> None:
        while self.queue:
            file, definition = self.queue.pop(0)
            self.strings |= definition.strings
            for imported in definition.imports:
                for each in self._run_by(file, imported):
                    self._execute(each)
            targets = [self._target(file, reference) for reference in definition.references]
            self.tell("\n".join([definition.text, *targets, *(definition.errors if self.errors else ())]))
        for name in sorted(each for each in self.strings if each.startswith(f"{ROOT.name}.")):
            if (named := self._file_of(tuple(name.split(".")))) and Place(named, WHOLE) not in self.numbers:
                self.tell(self.follow(Place(named, WHOLE)))
                self._drain()

    def _follow_recipes(self) -> None:
        """Recipes of the zoo that a string names, where weights are loaded by name."""
        for file in sorted(ROOT.glob(RECIPES)) if "*.safetensors" in self.strings else ():
            module = self.module(file)
            named = module.read(
                keyword.value for call in _calls(module, "Recipe") for keyword in call.keywords if keyword.arg == "name"
            )
            known = Place(file, "RECIPES") in self.numbers
            if not known and any(fnmatchcase(each, name) for name in named.strings for each in self.strings):
                self.tell(self.follow(Place(file, "RECIPES")))
                self._drain()

    def _target(self, file: Path, reference: Reference) -> str:
        found, taken = self.resolve(file, reference)
        if isinstance(found, str):
            return found + taken
        if found.name == WHOLE and taken.startswith(".__"):  # __file__, __path__: what Python gives every module
            return taken
        return self.follow(found) + taken

    def _lookup(self, file: Path, name: str) -> Place | str | None:
        """What a name at the top of a file stands for."""
        module = self.module(file)
        if name in module.definitions:
            return Place(file, name)
        if name in module.imports:
            return self._imported(file, module.imports[name])
        inner = self._file_of((*self._package(file), name)) if file.name == "__init__.py" else None
        return Place(inner, WHOLE) if inner else None

    def _imported(self, file: Path, imported: Imported) -> Place | str:
        """What an import in a file gives."""
        dotted = self._absolute(file, imported)
        base = self._file_of(dotted)
        if base is None:
            return ".".join([*dotted, imported.name] if imported.name else dotted)
        if imported.name is None:
            return Place(base, WHOLE)
        inner = self._file_of((*dotted, imported.name))
        if inner and (base == file or imported.name not in self.module(base).names):
            return Place(inner, WHOLE)
        return self._lookup(base, imported.name) or Place(base, WHOLE)

    def _effects(self) -> Iterator[tuple[Path, Definition]]:
        """Statements that run for effect in the files executed, and definitions under a decorator of ours."""
        for file in self.executed:
            module = self.module(file)
            yield from ((file, effect) for effect in module.effects)
            for name, decorators in module.decorated.items():
                if any(isinstance(self.resolve(file, each)[0], Place) for each in decorators):
                    yield from ((file, definition) for definition in module.definitions[name])

    def _execute(self, file: Path) -> None:
        """Note that a file runs, and with it what it imports; what it imports by `*` counts whole if it is reached."""
        waiting = [file]
        if any(place.file == file for place in self.numbers):
            for imported in self.module(file).executed:
                base = self._file_of(self._absolute(file, imported))
                if imported.name == "*" and base:
                    self.tell(self.follow(Place(base, WHOLE)))
        while waiting:
            if (each := waiting.pop()) not in self.executed:
                self.executed.add(each)
                waiting += [run for imported in self.module(each).executed for run in self._run_by(each, imported)]

    def _run_by(self, file: Path, imported: Imported) -> Iterator[Path]:
        """The files that an import runs: packages from the outermost, then the module."""
        dotted = self._absolute(file, imported)
        dotted += (imported.name,) if imported.name else ()
        yield from (run for n in range(1, len(dotted) + 1) if (run := self._file_of(dotted[:n])))

    def _absolute(self, file: Path, imported: Imported) -> tuple[str, ...]:
        parts = tuple(imported.module.split(".")) if imported.module else ()
        if not imported.level:
            return parts
        package = self._package(file)
        return package[: len(package) - imported.level + 1] + parts

    def _package(self, file: Path) -> tuple[str, ...]:
        """The package that a file of ours belongs to, as names."""
        return file.parent.relative_to(ROOT.parent).parts if file.is_relative_to(ROOT) else ()

    def _file_of(self, dotted: tuple[str, ...]) -> Path | None:
        """The file of a module of ours; None for others."""
        if dotted not in self._files:
            first, *rest = dotted or ("",)
            options = (ROOT.joinpath(*rest, "__init__.py"), ROOT.joinpath(*rest).with_suffix(".py"))
            ours = first == ROOT.name and all(rest)
            self._files[dotted] = next((each for each in options if ours and each.is_file()), None)
        return self._files[dotted]

    def _data_files(self) -> set[Path]:
        """Packaged files that strings name: whole, or without the suffix where `f"{name}.json"` or the like adds it."""
        named = {each.rpartition("/")[2] for each in self.strings if len(each) < 100}
        patterns = [each for each in named if len(each.partition(".")[0].replace("*", "")) >= LEAST_OF_A_NAME]
        patterns = [each for each in patterns if "*" in each]
        found = set()
        for file in _packaged():
            names = [file.name, file.stem] if f"*{file.suffix}" in named else [file.name]
            if any(name in named or any(fnmatchcase(name, each) for each in patterns) for name in names):
                found.add(file)
        return found


def _packaged() -> Iterator[Path]:
    """Files of the package that are no code."""
    return (file for file in ROOT.rglob("*.*") if file.suffix not in (".py", ".pyc") and file.is_file())


def data_bytes(file: Path) -> bytes:
    """What counts of a data file: all of it, but neither remarks in the header of weights nor a record's own hashes."""
    data = file.read_bytes()
    if file.suffix == ".safetensors":
        end = 8 + int.from_bytes(data[:8], "little")
        header = {name: value for name, value in json.loads(data[8:end]).items() if name != "__metadata__"}
        return json.dumps(header, sort_keys=True).encode() + data[end:]
    if file.parent.name == "records":
        return json.dumps({name: value for name, value in json.loads(data).items() if name not in HASHES}).encode()
    return data


def _claim_reach(experiment: Path, counts: Callable[[str | None], bool]) -> Reach:
    """What arguments of `Claim(...)` reach; `**` has no name. The whole file where there is no Claim."""
    reach = Reach()
    module, claims = reach.module(experiment), list(_calls(reach.module(experiment), "Claim"))
    for claim in claims:
        for keyword in sorted(claim.keywords, key=lambda keyword: str(keyword.arg)):
            if counts(keyword.arg):
                reach.tell(str(keyword.arg))
                reach.take(experiment, module.read([keyword.value]))
    if not claims:
        reach.follow(Place(experiment, WHOLE))
    return reach


def _calls(module: Module, name: str) -> Iterator[ast.Call]:
    """The calls `name(...)` in a file."""
    for node in (inner for statement in module.statements for inner in ast.walk(statement)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def _prints_errors(module: Module) -> bool:
    """Whether a file catches an error by name, as to print it."""
    nodes = (inner for statement in module.statements for inner in ast.walk(statement))
    return any(isinstance(node, ast.ExceptHandler) and node.name for node in nodes)


def reached(experiment: Path) -> set[str]:
    """What an experiment measures with, as "room.py:definition"."""
    reach = _claim_reach(experiment, MEASURING.__contains__)
    reach.hash()
    return {f"{file.name}:{name}" for file, name in reach.numbers}
