"""Executed notebook → static HTML that needs no kernel: widgets, pictures with alt text, boxes, one classic script.

A widget's output carries `application/vnd.course.widget+json` = {"module", "state", "alt", "name"} next to its first
frame. Here it becomes a `<div class="course-widget">` that holds the state as JSON and the first frame as `<img>`;
`course-widgets.js` brings it to life and, without JavaScript, the first frame stays.
"""

from __future__ import annotations

import ast
import base64
import copy
import html
import json
import re
from collections.abc import Iterable

from nbformat import NotebookNode

from course_lib.course.exercises import get_exercise
from course_lib.course.exercises.page import checked_in_page, page_html
from course_lib.widgets.figure import MIME, PRELUDE, modules, script

JUPYTER_WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGETS = {
    "attention_widget",
    "explore",
    "live_acrostic",
    "live_clip",
    "live_poet",
    "live_preferences",
    "live_text",
    "live_triangle",
    "live_versions",
    "live_vit",
    "patch_widget",
    "rope_rotation",
    "similarity_widget",
}
PRESENTERS = WIDGETS | {"show_figure", "show_claim", "show_erratum", "show_source", "exercise"}
_EXPORT = re.compile(r"^export\s+default\s+", re.MULTILINE)
_OTHER_MODULE_SYNTAX = re.compile(r"^(import\b(?!\s*\()|export\b(?!\s+default\b))", re.MULTILINE)
EXERCISE = re.compile(r'<div class="exercise [^>]*id="exercise-([\w-]+)"')
WIDE = 960  # pixels from which a phone scrolls a picture rather than shrinks it
BLANK = '<div class="check check-blank"'
REPR = re.compile(r"^<[\w.]+ (size|object|at) .*>$|^Figure\(|^<Axes|^\[?<matplotlib")

# What a widget's script sees in place of the kernel: the same six methods as anywidget's model.
MOUNT = """
class StaticModel {
  constructor(state) { this.state = state; this.listeners = {}; }
  get(key) { return this.state[key]; }
  set(key, value) {
    if (typeof key === "object") { for (const k of Object.keys(key)) this.set(k, key[k]); return; }
    if (this.state[key] === value) return;
    this.state[key] = value;
    this.tell("change:" + key, value);
    this.tell("change");
  }
  tell(event, ...values) { for (const f of [...(this.listeners[event] || [])]) f(...values); }
  on(event, f) { for (const e of event.split(" ")) (this.listeners[e] ||= []).push(f); }
  off(event, f) {
    if (!event) { this.listeners = {}; return; }
    for (const e of event.split(" ")) this.listeners[e] = f ? (this.listeners[e] || []).filter((g) => g !== f) : [];
  }
  save_changes() {}
  send() {}
}
async function mount(box) {
  const still = box.querySelector(":scope > img");
  const el = document.createElement("div");
  el.className = "course-widget-live";
  try {
    const model = new StaticModel(JSON.parse(box.querySelector(":scope > script").textContent));
    box.append(el);
    await courseWidgets[box.dataset.module].render({ model, el });
    if (still) still.remove();
    box.dataset.live = "true";
  } catch (error) {
    el.remove();  // the first frame stays
    console.error("widget " + (box.dataset.name || box.dataset.module), error);
  }
  // keys pressed inside a widget are its own: they turn no slide and open no search
  box.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); });
}
function mountAll() { document.querySelectorAll(".course-widget").forEach(mount); }
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", mountAll);
else mountAll();
"""


def classic(name: str, source: str) -> str:
    """An ES module with a single `export default …`, as an expression statement for a classic script (file:// too).

    Raises ValueError when the module imports something or exports anything else.
    """
    other = _OTHER_MODULE_SYNTAX.search(source)
    if other:
        raise ValueError(f"widget {name}.js must stand alone: remove {other.group(0)!r} and keep one `export default`")
    n_exports = len(_EXPORT.findall(source))
    if n_exports != 1:
        raise ValueError(f"widget {name}.js has {n_exports} `export default`; exactly one is needed")
    body = _EXPORT.sub("const exported = ", source).rstrip()
    return f"courseWidgets[{json.dumps(name)}] = (() => {{\n{body}\nreturn exported;\n}})();\n"


def widget_script() -> str:
    """All widgets, what they share, and the code that mounts them, as one classic script."""
    shared = "\n".join(map(script, PRELUDE))
    scripts = "".join(classic(name, script(name)) for name in modules())
    return '(() => {\n"use strict";\nconst courseWidgets = {};\n' + shared + scripts + MOUNT + "})();\n"


def script_json(value: object) -> str:
    """JSON that cannot end the `<script>` element it is written into."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def picture(png: str, alt: str) -> str:
    """`<img>` of a base64 PNG with its alt text."""
    return f'<img src="data:image/png;base64,{png.strip()}" alt="{html.escape(alt, quote=True)}">'


def width_of(png: str) -> int:
    """Pixels across a base64 PNG, as its first chunk says."""
    return int.from_bytes(base64.b64decode(png.strip()[:32])[16:20], "big")


def bundle(data: dict) -> dict:
    """What an output says of its widget; empty where it has none."""
    held = data.get(MIME, {})
    return json.loads(held) if isinstance(held, str) else held


def widget(bundle: dict, png: str | None) -> str:
    """The static form of one widget; its first frame is what a reader without JavaScript sees."""
    still = picture(png, bundle["alt"]) if png else ""
    return (
        f'<div class="course-widget" data-module="{html.escape(bundle["module"])}" '
        f'data-name="{html.escape(bundle.get("name") or bundle["module"])}">'
        f'<script type="application/json">{script_json(bundle["state"])}</script>{still}</div>'
    )


def static_output(output: NotebookNode) -> NotebookNode | None:
    """One output as the site shows it; None for what has no meaning without a kernel (progress bars, dead widgets, the
    check of a blank)."""
    if output.output_type == "stream":
        return output if output.name == "stdout" else None
    if output.output_type not in ("display_data", "execute_result"):
        return output
    data = output.data
    if MIME in data:
        text = widget(bundle(data), data.get("image/png"))
    elif JUPYTER_WIDGET in data or data.get("text/html", "").startswith(BLANK):
        return None
    elif card := EXERCISE.match(data.get("text/html", "")):
        text = page_html(get_exercise(card[1]))
    elif "image/png" in data and "text/html" not in data:
        alt = output.metadata.get("alt") or data.get("text/plain", "")
        if not alt.strip() or REPR.match(alt.strip()):
            return output
        wide = " course-wide" if width_of(data["image/png"]) >= WIDE else ""
        text = f'<div class="course-figure{wide}">{picture(data["image/png"], alt)}</div>'
    else:
        return output
    shown = NotebookNode(output_type=output.output_type, metadata={}, data={"text/html": text})
    if output.output_type == "execute_result":
        shown.execution_count = output.execution_count
    return shown


def hide_input(cell: NotebookNode) -> None:
    """Tag a cell so that its code is folded on the site and left out of the deck."""
    cell.metadata["tags"] = list(dict.fromkeys([*cell.metadata.get("tags", []), "hide-input"]))


def only_presents(source: str) -> bool:
    """True for a cell that computes nothing of the lesson: imports, and calls that put something on the page."""
    try:
        statements = [s for s in ast.parse(source).body if not isinstance(s, (ast.Import, ast.ImportFrom))]
    except SyntaxError:
        return False
    calls = [s.value.func for s in statements if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)]
    names = [getattr(call, "id", getattr(call, "attr", "")) for call in calls]
    return bool(calls) and len(calls) == len(statements) and PRESENTERS.issuperset(names)


def answered_in_page(source: str) -> bool:
    """True for the cell of a notebook that only hands in what the page itself asks for: `answer = ...`, `check(…)`."""
    ids = re.findall(r"^check\([\"']([\w-]+)[\"'], \w+\)$", source, re.MULTILINE)
    rest = re.sub(r"^(check\(.*\)|\w+ = \.\.\..*|\s*#.*)$", "", source, flags=re.MULTILINE)
    return bool(ids) and not rest.strip() and all(checked_in_page(get_exercise(each)) for each in ids)


def static_notebook(notebook: NotebookNode) -> NotebookNode:
    """A copy of an executed notebook whose outputs all work on a page without a kernel."""
    result = copy.deepcopy(notebook)
    result.metadata.pop("widgets", None)
    result.cells = [cell for cell in result.cells if cell.cell_type != "code" or not answered_in_page(cell.source)]
    for cell in result.cells:
        if cell.cell_type == "code":
            cell.outputs = joined(o for o in map(static_output, cell.outputs) if o is not None)
    return result


def joined(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Outputs of which no two neighbours are printed lines: the kernel sends what a cell prints in several parts."""
    found: list[NotebookNode] = []
    for output in outputs:
        if found and found[-1].output_type == output.output_type == "stream" and found[-1].name == output.name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


_FENCE = re.compile(r"^(?P<fence>:{3,})\{(?P<kind>[\w-]+)\}[ \t]*(?P<title>.*)$")
_OPTION = re.compile(r"^:(?P<key>[\w-]+):[ \t]*(?P<value>.*)$")
_TITLES = {"note": "注意", "tip": "提示", "warning": "警告", "important": "要点", "hint": "提示"}


def fences_to_html(source: str) -> str:
    """MyST colon fences as HTML boxes whose inside is still Markdown, for renderers that know no MyST (the decks)."""
    lines, out, stack = source.split("\n"), [], []
    at = 0
    while at < len(lines):
        line = lines[at].rstrip()
        opening = _FENCE.match(line)
        at += 1
        if opening:
            options = {}
            while at < len(lines) and (option := _OPTION.match(lines[at].rstrip())):
                options[option["key"]] = option["value"]
                at += 1
            kind = opening["kind"]
            title = opening["title"].strip() or _TITLES.get(kind, "")
            classes = " ".join(dict.fromkeys(["admonition", kind, *options.get("class", "").split()]))
            tag = "details" if "dropdown" in classes else "div"
            out += ["", f'<{tag} class="{html.escape(classes)}">']
            if title:
                name = "summary" if tag == "details" else "p"
                out.append(f'<{name} class="admonition-title">{html.escape(title)}</{name}>')
            out.append("")
            stack.append((opening["fence"], tag))
        elif stack and line == stack[-1][0]:
            out += ["", f"</{stack.pop()[1]}>", ""]
        else:
            out.append(lines[at - 1])
    return "\n".join(out)
