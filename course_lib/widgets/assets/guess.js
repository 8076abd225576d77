/* Guesses that answer, for site, decks and JupyterLab. A box of class "guess answer-c" that ends in a list
   - A. … - B. … gets buttons. Until one is pressed (or 不猜，直接看), everything from the first output after the box to the
   next heading or guess is covered. Remembered in this browser. Without JavaScript, and on paper, all is readable. */
(() => {
  "use strict";
  const BOX = ".guess[class*='answer-']";
  const OUTPUT = ".cell_output, .jp-Cell-outputWrapper";
  const STOP = `h1, h2, h3, ${BOX}`;
  const PAGE = ".slides, .jp-WindowedPanel-viewport, article, main, body";
  const OURS = ".guess-form, .guess-cover, .jp-Collapser, aside.notes, script, style, template";
  const SEEN = "-"; // looked without guessing
  const root = document.documentElement;
  if (/print-pdf/i.test(location.search) || root.classList.contains("guess-js")) return;
  root.classList.add("guess-js"); // the style keeps outputs out of sight until they are covered

  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // ---- what was chosen: kept by the words of the question, in this tab at least ----
  const memory = {};
  const place = (key) => `course-guess${document.querySelector(".slides") ? "-deck" : ""} ${key}`;
  function chosen(key) {
    if (key in memory) return memory[key];
    try { return localStorage.getItem(place(key)); } catch { return null; }
  }
  function choose(key, letter, keep = true) {
    memory[key] = letter;
    try {
      if (letter === null) localStorage.removeItem(place(key));
      else if (keep) localStorage.setItem(place(key), letter);
    } catch { /* private windows, full disks: the tab remembers */ }
    show();
  }
  function keyOf(box) {
    const bare = box.cloneNode(true);
    bare.querySelectorAll(".guess-form, .math, .katex, mjx-container").forEach((node) => node.remove());
    let hash = 5381;
    for (const sign of bare.textContent.replace(/\$[^$]*\$|\s/g, "")) hash = ((hash * 33) ^ sign.codePointAt(0)) >>> 0;
    return hash.toString(36);
  }

  // ---- what follows a box: whole elements, smaller ones around a heading, the next guess, the first output ----
  const holds = (element, selector) => element.matches(selector) || element.querySelector(selector) !== null;
  const stops = (element) => [...element.querySelectorAll(STOP)].some((node) => !node.closest(OUTPUT));
  const filled = (output) => !output.matches(".jp-Cell-outputWrapper") || output.querySelector(".jp-OutputArea-child") !== null;

  function* after(node, page) {
    for (let at = node; at && at !== page; at = at.parentElement) {
      for (let next = at.nextElementSibling; next; next = next.nextElementSibling) yield next;
    }
  }
  function covered(box, isOutput = filled) {
    const found = [];
    const walk = (element) => { // false: a heading or the next guess is reached
      if (element.matches(OURS)) return true;
      if (element.matches(STOP)) return false;
      if (element.matches(OUTPUT)) {
        if (isOutput(element)) found.push(element);
      } else if (element.matches("section, .fragment") || stops(element) || (!found.length && holds(element, OUTPUT))) {
        return [...element.children].every(walk);
      } else if (found.length) found.push(element);
      return true;
    };
    for (const element of after(box, box.closest(PAGE))) if (!walk(element)) break;
    return found;
  }

  // ---- the box: its list becomes buttons ----
  function options(box) {
    const list = [...box.querySelectorAll("ul")].filter((node) => !node.closest(".guess-form")).pop();
    const items = list ? [...list.children] : [];
    const letters = items.map((item) => (/^\s*([A-H])[.．、]/.exec(item.textContent) || [])[1]);
    const right = /\banswer-([a-h])\b/.exec(box.className)?.[1].toUpperCase();
    return letters.length > 1 && letters.every(Boolean) && letters.includes(right) ? { list, items, letters, right } : null;
  }
  function build(box) {
    const found = options(box);
    if (!found) return null;
    const key = keyOf(box);
    const group = make("div", { role: "group", "aria-label": "选一个答案", class: "guess-options" });
    found.items.forEach((item, at) => {
      const inside = item.children.length === 1 && item.firstElementChild.matches("p") ? item.firstElementChild : item;
      const words = make("span", { class: "guess-words" }, ...[...inside.cloneNode(true).childNodes]);
      const button = make("button", { type: "button", "data-letter": found.letters[at] }, words, make("span", { class: "guess-mark" }));
      button.addEventListener("click", () => chosen(key) === null && choose(key, found.letters[at]));
      group.append(button);
    });
    const again = make("button", { type: "button", class: "guess-again" }, "重新猜");
    const allAgain = make("button", { type: "button", class: "guess-again" }, "本页全部重新猜");
    again.addEventListener("click", () => { choose(key, null); group.firstElementChild.focus({ preventScroll: true }); });
    allAgain.addEventListener("click", () => {
      boxes().forEach((other) => choose(other.dataset.guess, null));
      group.firstElementChild.focus({ preventScroll: true });
    });
    const said = make("span", { role: "status", class: "guess-said" });
    const form = make("div", { class: "guess-form", "data-lm-suppress-shortcuts": "true" }, group, make("p", { class: "guess-result" }, said, again, allAgain));
    // keys that press a button turn no slide and run no cell
    form.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") event.stopPropagation(); });
    box.dataset.guess = key;
    box.dataset.right = found.right;
    found.list.classList.add("guess-list");
    found.list.after(form);
    return form;
  }
  const boxes = () => [...document.querySelectorAll(`${BOX}[data-guess]`)];

  function write(box) {
    const choice = chosen(box.dataset.guess), right = box.dataset.right;
    const buttons = [...box.querySelectorAll(".guess-options button")];
    if (box.dataset.choice === String(choice)) return;
    box.dataset.choice = String(choice);
    for (const button of buttons) {
      const mine = button.dataset.letter === choice, isRight = choice !== null && button.dataset.letter === right;
      button.setAttribute("aria-pressed", String(mine));
      button.setAttribute("aria-disabled", String(choice !== null));
      button.classList.toggle("guess-right", isRight);
      button.classList.toggle("guess-wrong", mine && !isRight);
      button.querySelector(".guess-mark").textContent = isRight ? (mine ? "✓ 你选对了" : "✓ 正确答案") : mine ? "✗ 你选的" : "";
    }
    const words = choice === SEEN ? `答案是 ${right}。` : choice === right ? `对，是 ${right}。` : `你选了 ${choice}，答案是 ${right}。`;
    box.querySelector(".guess-said").textContent = choice === null ? "" : `${words}结果在下面。`;
    for (const again of box.querySelectorAll(".guess-again")) again.hidden = choice === null;
  }

  // ---- the covers ----
  function cover(key) {
    const skip = make("button", { type: "button" }, "不猜，直接看");
    const made = make("div", { class: "guess-cover", "data-guess": key, "data-lm-suppress-shortcuts": "true" }, make("span", {}, "先选一个，再看结果。"), skip);
    skip.addEventListener("click", () => {
      const next = document.querySelector(`.guess-covered[data-guess="${key}"]`);
      choose(key, SEEN);
      if (next) {
        next.tabIndex = -1;
        next.focus({ preventScroll: true });
      }
    });
    skip.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") event.stopPropagation(); });
    return made;
  }
  // In JupyterLab a box far above may be out of the document: then what follows it stays as it was.
  function inherited() {
    const found = [];
    for (const page of document.querySelectorAll(".jp-WindowedPanel-viewport")) {
      const first = page.querySelector(":scope > .jp-Cell");
      if (!first || first.dataset.windowedListIndex === "0" || !first.matches(".guess-covered")) continue;
      for (const cell of page.children) {
        if (stops(cell)) break;
        found.push([cell, first.dataset.guess]);
      }
    }
    return found;
  }
  function show() {
    const plan = new Map(inherited().filter(([, key]) => chosen(key) === null));
    const starts = new Map();
    for (const box of boxes()) {
      write(box);
      const key = box.dataset.guess;
      if (chosen(key) !== null) continue;
      let hidden = covered(box);
      if (!hidden.length && box.closest(".jp-Cell")) hidden = covered(box, () => true); // nothing has run yet
      let slide;
      hidden.forEach((element, at) => {
        plan.set(element, key);
        if (at === 0 || element.closest("section section, .slides > section") !== slide) starts.set(element, key);
        slide = element.closest("section section, .slides > section");
      });
    }
    let revealed = false;
    for (const element of document.querySelectorAll(".guess-covered")) {
      if (plan.has(element)) continue;
      element.classList.remove("guess-covered");
      delete element.dataset.guess;
      revealed = true;
    }
    for (const [element, key] of plan) {
      element.classList.add("guess-covered");
      element.dataset.guess = key;
    }
    for (const old of document.querySelectorAll(".guess-cover")) {
      if (starts.get(old.nextElementSibling) === old.dataset.guess) starts.delete(old.nextElementSibling);
      else old.remove();
    }
    for (const [element, key] of starts) element.before(cover(key));
    if (revealed) {
      document.dispatchEvent(new CustomEvent("course:revealed"));
      const slide = window.Reveal?.getCurrentSlide?.();
      if (slide) { // its height is another one now
        delete slide.dataset.fitted;
        Reveal.dispatchEvent({ type: "slidechanged" });
      }
    }
  }
  function refresh() {
    try {
      for (const box of document.querySelectorAll(BOX)) if (!box.querySelector(".guess-form")) build(box);
      show();
    } finally {
      root.classList.add("guess-ready");
    }
  }

  // ---- addresses into a covered part uncover it ----
  function uncover(hash) {
    let id = hash.slice(1);
    try { id = decodeURIComponent(id); } catch { /* as it is written */ }
    const target = id && document.getElementById(id)?.closest(".guess-covered");
    if (target) choose(target.dataset.guess, SEEN, false);
    return Boolean(target);
  }
  addEventListener("hashchange", () => { if (uncover(location.hash)) document.getElementById(decodeURIComponent(location.hash.slice(1))).scrollIntoView(); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href*='#']");
    if (link && link.pathname === location.pathname) uncover(link.hash);
  }, true);
  // the same deck in the speaker's window, the same page in another tab
  addEventListener("storage", (event) => {
    if (!event.key?.startsWith("course-guess")) return;
    for (const key of Object.keys(memory)) delete memory[key];
    show();
  });

  function begin() {
    refresh();
    uncover(location.hash);
    if (!document.querySelector(".jp-LabShell, .jp-Notebook")) return;
    // JupyterLab attaches, renders and runs cells when it likes
    let waiting = false;
    const ours = (node) => node.nodeType !== 1 || node.matches(OURS);
    new MutationObserver((changes) => {
      if (waiting || changes.every((change) => change.target.closest?.(".guess-form, .guess-cover, .cm-editor") || [...change.addedNodes, ...change.removedNodes].every(ours))) return;
      waiting = true;
      setTimeout(() => { waiting = false; refresh(); }, 60);
    }).observe(document.body, { childList: true, subtree: true });
  }
  // "interactive" comes before the deferred scripts: nothing moves once they are there
  if (document.readyState === "loading") document.addEventListener("readystatechange", begin, { once: true });
  else begin();
})();
