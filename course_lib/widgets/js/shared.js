// What every widget's module begins with; course_lib.widgets.figure.source puts it in front of each.

const STYLE = `
.course-widget-box { color: var(--jp-content-font-color1, inherit); font-size: 1rem; line-height: 1.5; max-width: 100%; padding: .3em 0; }
.course-widget-on-slide { font-size: 22px; text-align: left; }
.course-widget-box *, .course-widget-box *::before { box-sizing: border-box; }
.course-widget-controls { display: flex; flex-wrap: wrap; gap: .4em 1.5em; align-items: center; margin: 0 0 .6em; }
.course-widget-knob { display: flex; flex-wrap: wrap; align-items: center; gap: .2em .6em; min-width: 0; max-width: 100%; border: 0; padding: 0; margin: 0; }
.course-widget-knob legend { float: left; padding: 0; margin: 0 .6em 0 0; font-size: inherit; width: auto; }
.course-widget-label { font-weight: 600; }
.course-widget-knob input[type=range] { width: 12em; max-width: 60vw; height: 1.8em; margin: 0; accent-color: #0961C4; cursor: pointer; }
.course-widget-value { min-width: 3.2em; font-variant-numeric: tabular-nums; }
.course-widget-choice { display: inline-flex; align-items: center; gap: .3em; min-height: 1.8em; margin: 0; cursor: pointer; }
.course-widget-choice input { width: 1.1em; height: 1.1em; margin: 0; accent-color: #0961C4; }
.course-widget-box button, .course-widget-box select { font: inherit; color: inherit; background: transparent; border: 1px solid currentColor; border-radius: .4em; padding: .1em .7em; min-height: 1.9em; cursor: pointer; }
.course-widget-box select option { color: #1F2933; background: #FFFFFF; }
.course-widget-box input { font: inherit; }
.course-widget-box :focus-visible { outline: 3px solid #5B9DF0; outline-offset: 2px; }
.course-widget-card { background: #FFFFFF; color: #1F2933; border-radius: .6em; padding: .5em; max-width: 100%; width: fit-content; border: 1px solid rgba(128, 128, 128, .25); }
.course-widget-card img { display: block; max-width: 100%; height: auto; margin: 0; background: #FFFFFF; transition: opacity .15s; }
.course-widget-box[aria-busy=true] .course-widget-card { opacity: .55; transition: opacity .2s .15s; }
.course-widget-error { margin: .5em 0 0; padding: .4em .7em; border-left: 4px solid #C8102E; white-space: pre-wrap; overflow-wrap: anywhere; }
`;

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The widget's own corner of the page: its style once, its keys kept from the page around it (slides, JupyterLab).
function box(el, name, style) {
  const id = `course-widget-style-${name}`;
  if (!document.getElementById(id)) {
    const sheet = node("style", { id });
    sheet.textContent = style;
    document.head.append(sheet);
  }
  const root = node("div", { class: "course-widget-box", "data-lm-suppress-shortcuts": "true", "data-prevent-swipe": "" });
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  });
  root.classList.toggle("course-widget-on-slide", el.closest(".reveal") !== null);
  el.replaceChildren(root);
  return root;
}

const prefersStillness = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

// A labelled <input type=range>. `text(value)` is written beside it and read aloud; `changed(value)` hears the reader.
function slider({ label, min = 0, max, step = 1, value, text, changed }) {
  const input = node("input", { type: "range", min, max, step });
  const shown = node("output", { class: "course-widget-value", "aria-live": "off" });
  const field = node("label", { class: "course-widget-knob" }, node("span", { class: "course-widget-label" }, label), input, shown);
  const set = (next) => {
    input.value = next;
    shown.textContent = text(Number(input.value));
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => {
    set(input.value);
    changed(Number(input.value));
  });
  set(value);
  return { field, set, get: () => Number(input.value), max };
}
