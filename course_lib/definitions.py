"""A file of code as definitions: what each one says, and which names it takes from outside.

What it says is the syntax tree as text, the same under every Python version and wherever the file lies. Left out are
comments, layout, docstrings, annotations and the text of errors. The fields of a class stay, and their order.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
COMPREHENSION = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
LEFT_OUT = ("ctx", "kind", "type_comment", "type_params", "returns", "annotation")
SPECIAL_FIELDS = {"ClassVar", "InitVar", "KW_ONLY"}  # annotations that make a field something else


@dataclass(frozen=True)
class Imported:
    """`from module import name`, or `import module` where name is None; `level` counts the leading dots."""

    module: str
    name: str | None = None
    level: int = 0


@dataclass(frozen=True)
class Reference:
    """A use of a name from outside: `start` is bound by its module, or by an import inside the function."""

    start: str | Imported
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """`text` has a NUL where a reference stands; `references` are in the order of reading.

    `strings`: literals, with "*" for what f-strings fill in. `imports` are made when it runs. `errors`: what it says
    when it raises. `source` is the raw text.
    """

    text: str
    references: tuple[Reference, ...] = ()
    strings: frozenset[str] = frozenset()
    imports: tuple[Imported, ...] = ()
    errors: tuple[str, ...] = ()
    source: str = ""


@dataclass
class Module:
    """One file. `effects` run when it is imported; `decorated` names what a decorator may have registered."""

    definitions: dict[str, list[Definition]] = field(default_factory=dict)
    imports: dict[str, Imported] = field(default_factory=dict)
    executed: list[Imported] = field(default_factory=list)
    effects: list[Definition] = field(default_factory=list)
    decorated: dict[str, tuple[Reference, ...]] = field(default_factory=dict)
    statements: list[ast.stmt] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """All that the file binds."""
        return {*self.definitions, *self.imports}

    def read(self, nodes: Iterable[ast.AST]) -> Definition:
        """Syntax of this module as a definition."""
        reader = Reader(self.names)
        text = "\n".join(filter(None, map(reader.read, nodes)))
        strings, imports = frozenset(reader.strings), tuple(reader.imports)
        return Definition(text, tuple(reader.references), strings, imports, tuple(reader.errors))


@cache
def parse(text: str) -> Module:
    """The definitions of a file's text. Raises SyntaxError."""
    module, lines = Module(), text.splitlines()
    module.statements = [each for each in ast.parse(text).body if not _never_runs(each)]
    bound = [(statement, dict(bindings([statement]))) for statement in module.statements]
    for statement, names in bound:
        for name, imported in names.items():
            if imported:
                module.imports[name] = imported
            else:
                module.definitions[name] = []
        module.executed += _imports(statement)
    for statement, names in bound:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        own = module.read([statement])
        if not own.text:
            continue
        first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", []))])
        own = replace(own, source="\n".join(lines[first - 1 : statement.end_lineno]))
        for name in names:
            if name in module.definitions:
                module.definitions[name].append(own)
        if _runs_for_effect(statement):
            module.effects.append(own)
        if decorators := getattr(statement, "decorator_list", []):
            module.decorated[statement.name] = module.read(decorators).references
    return module


class Reader:
    """Turns syntax into text; collects references to `module_names`, strings and imports on the way."""

    def __init__(self, module_names: set[str]):
        self.module_names = module_names
        self.scopes: list[dict[str, Imported | None]] = []
        self.references: list[Reference] = []
        self.strings: set[str] = set()
        self.imports: list[Imported] = []
        self.errors: list[str] = []

    def read(self, node: object) -> str:
        """The text of a node; "" for what does not count."""
        if isinstance(node, list):
            return "[" + ",".join(text for each in node if (text := self.read(each))) + "]"
        if not isinstance(node, ast.AST):
            return ascii(node)
        if isinstance(node, ast.Name | ast.Attribute) and (reference := self._reference(node)):
            self.references.append(reference)
            return "\0"
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.imports += _imports(node)
            return ""
        if isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            return ""
        if isinstance(node, ast.Raise):
            return f"Raise({self.read(self._error(node))})"
        if isinstance(node, ast.Assert):
            return f"Assert({self.read(node.test)})"
        if isinstance(node, ast.AnnAssign):
            if node.value is None:
                return ""
            return f"Assign(targets=[{self.read(node.target)}],value={self.read(node.value)})"
        if isinstance(node, ast.Constant | ast.JoinedStr):
            self._keep_string(node)
        if isinstance(node, FUNCTION | ast.Lambda):
            return self._function(node)
        if isinstance(node, ast.ClassDef):
            return self._class(node)
        if isinstance(node, COMPREHENSION):
            return self._comprehension(node)
        return self._plain(node)

    def _plain(self, node: ast.AST, **ready: str) -> str:
        """All fields but the empty ones; `ready` has the text of those read before."""
        fields = {
            name: ready[name] if name in ready else self.read(value)
            for name, value in sorted(ast.iter_fields(node))
            if name not in LEFT_OUT and value is not None and value != []
        }
        return f"{type(node).__name__}({','.join(f'{name}={text}' for name, text in fields.items())})"

    def _reference(self, node: ast.expr) -> Reference | None:
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        for scope in reversed(self.scopes):
            if node.id in scope:
                imported = scope[node.id]
                return Reference(imported, tuple(attributes)) if imported else None
        known = node.id in self.module_names and (self.scopes or isinstance(node.ctx, ast.Load))
        return Reference(node.id, tuple(attributes)) if known else None

    def _error(self, node: ast.Raise) -> ast.expr | None:
        """What is raised; of Python's own errors the type alone."""
        call = node.exc
        plain = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id not in self.module_names
        if plain:
            self.errors.append(ast.unparse(call))
        return call.func if plain else call

    def _keep_string(self, node: ast.Constant | ast.JoinedStr) -> None:
        if isinstance(node, ast.JoinedStr):
            self.strings.add("".join(part.value if isinstance(part, ast.Constant) else "*" for part in node.values))
        elif isinstance(node.value, str):
            self.strings.add(node.value)

    def _function(self, node: FUNCTION | ast.Lambda) -> str:
        outside = {"decorator_list": self.read(getattr(node, "decorator_list", []))}
        given = node.args
        for each in ("defaults", "kw_defaults"):
            outside[each] = self.read(getattr(given, each))
        parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        body = node.body if isinstance(node.body, list) else [node.body]
        self.scopes.append({each.arg: None for each in parameters if each} | dict(bindings(body)))
        for name in {
            name for each in body for inner in ast.walk(each) if isinstance(inner, ast.Global) for name in inner.names
        }:
            self.scopes[-1].pop(name, None)
        arguments = self._plain(given, defaults=outside["defaults"], kw_defaults=outside["kw_defaults"])
        text = self._plain(node, args=arguments, decorator_list=outside["decorator_list"])
        self.scopes.pop()
        return text

    def _class(self, node: ast.ClassDef) -> str:
        body = []
        for each in node.body:
            if isinstance(each, ast.AnnAssign):
                kinds = {name.id for name in ast.walk(each.annotation) if isinstance(name, ast.Name)}
                kinds |= {name.attr for name in ast.walk(each.annotation) if isinstance(name, ast.Attribute)}
                value = self.read(each.value) if each.value else ""
                body.append(f"Field({ast.unparse(each.target)},{sorted(kinds & SPECIAL_FIELDS)},{value})")
            else:
                body.append(self.read(each))
        return self._plain(node, body="[" + ",".join(filter(None, body)) + "]")

    def _comprehension(self, node: ast.expr) -> str:
        first = self.read(node.generators[0].iter)
        self.scopes.append(dict(bindings(each.target for each in node.generators)))
        generators = [self._plain(node.generators[0], iter=first), *map(self.read, node.generators[1:])]
        text = self._plain(node, generators="[" + ",".join(generators) + "]")
        self.scopes.pop()
        return text


def bindings(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, Imported | None]]:
    """The names that statements bind in their own scope, with what is imported under them."""
    for node in nodes:
        if isinstance(node, FUNCTION | ast.ClassDef):
            yield node.name, None
        elif isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.split(".")[0]
                yield alias.asname or whole, Imported(whole)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, Imported(node.module or "", alias.name, node.level)
        elif isinstance(node, COMPREHENSION):
            yield from ((each.target.id, None) for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
        elif not isinstance(node, ast.Lambda):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                yield node.id, None
            name = getattr(node, "rest", None) or getattr(
                node, "name", None
            )  # of match patterns and `except … as name`
            if isinstance(name, str) and not isinstance(node, ast.alias):
                yield name, None
            yield from bindings(ast.iter_child_nodes(node))


def _imports(node: ast.AST) -> Iterator[Imported]:
    """Every import that runs when a statement does, functions excepted."""
    if isinstance(node, ast.Import):
        yield from (Imported(alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (Imported(node.module or "", alias.name, node.level) for alias in node.names)
    elif not isinstance(node, FUNCTION | ast.Lambda):
        for inner in ast.iter_child_nodes(node):
            yield from _imports(inner)


def _never_runs(statement: ast.stmt) -> bool:
    """`if TYPE_CHECKING:` and `if __name__ == …:`."""
    named = (
        {each.id for each in ast.walk(statement.test) if isinstance(each, ast.Name)}
        if isinstance(statement, ast.If)
        else ()
    )
    return "TYPE_CHECKING" in named or "__name__" in named


def _runs_for_effect(statement: ast.stmt) -> bool:
    """Whether a statement does more than to bind a name: a call, an item set, a block."""
    if isinstance(statement, FUNCTION | ast.ClassDef):
        return False
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        named = [each for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        return any(isinstance(each.ctx, ast.Load) or each.id == "_" for each in named)
    return True
