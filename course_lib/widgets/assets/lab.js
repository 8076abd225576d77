/* JupyterLab: cells with 讲者备注 are for the lecturer; a button in the notebook's toolbar shows them. */
(() => {
  "use strict";
  if (window.courseNotes) return;
  window.courseNotes = true;
  const TITLE = ".myst-admonition-header-text, summary, .admonition-title";
  const NAME = "course-notes";
  let shown = false;
  try { shown = localStorage.getItem(NAME) === "shown"; } catch { /* hidden at every start */ }
  const noteCells = (panel) => [...panel.querySelectorAll(".jp-MarkdownCell")].filter((cell) =>
    [...cell.querySelectorAll(TITLE)].some((title) => title.textContent.trim() === "讲者备注"));

  function apply() {
    for (const panel of document.querySelectorAll(".jp-NotebookPanel")) {
      const cells = noteCells(panel);
      for (const cell of cells) cell.classList.toggle("course-notes-hidden", !shown);
      let button = panel.querySelector(".course-notes-button");
      if (!button && cells.length) {
        button = document.createElement("button");
        button.type = "button";
        button.className = "course-notes-button";
        button.addEventListener("click", () => {
          shown = !shown;
          try { localStorage.setItem(NAME, shown ? "shown" : "hidden"); } catch { /* for this session */ }
          apply();
        });
        panel.querySelector(".jp-NotebookPanel-toolbar").append(button);
      }
      if (button && button.ariaPressed !== String(shown)) {
        button.ariaPressed = String(shown);
        button.textContent = shown ? "收起讲者备注" : "显示讲者备注";
      }
    }
  }
  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { apply(); waiting = false; }, 200);
  }).observe(document.body, { childList: true, subtree: true });
  apply();
})();
