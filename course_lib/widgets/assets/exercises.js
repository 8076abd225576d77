/* Exercises that are checked in the page: a line to type in, or a group to choose from, and 检查. Right answers, mistakes
   and sentences come with the card (data-check); course_lib/course/exercises/page.py writes them. */
(() => {
  "use strict";
  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const unpack = (text) => JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))));
  const plain = (text) => text.normalize("NFKC").trim().toLowerCase();

  // ---- what was typed, compared as course_lib/course/exercises/compare.py does ----
  function number(text) {
    let bare = plain(text).replace(/,/g, "").replace(/\u2044/g, "/").replace(/\u2212/g, "-");
    const percent = bare.endsWith("%");
    if (percent) bare = bare.slice(0, -1).trim();
    const parts = /^([-+]?\d+)\/(\d+)$/.exec(bare);
    const value = parts ? parts[1] / parts[2] : /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/.test(bare) ? Number(bare) : NaN;
    return percent ? value / 100 : value;
  }
  const pieces = (text) => plain(text).replace(/[()[\]{}"'“”‘’]/g, "").split(/[\s,、;]+/).filter(Boolean);

  function close(got, wanted, tolerance) {
    if (got.length !== wanted.numbers.length || got.some(Number.isNaN)) return false;
    if (wanted.whole) return got.every((value, at) => value === wanted.numbers[at]);
    const scale = Math.max(...wanted.numbers.map(Math.abs)) || 1;
    return got.every((value, at) => Math.abs(value - wanted.numbers[at]) <= tolerance * scale);
  }
  function says(typed, wanted, check) {
    if (wanted.letter) return typed === wanted.letter;
    if (wanted.text !== undefined) return plain(typed) === wanted.text;
    const got = wanted.scalar ? [number(typed)] : pieces(typed).map((piece) => (wanted.texts ? piece : number(piece)));
    if (wanted.sorted) got.sort(wanted.texts ? undefined : (one, other) => one - other);
    if (wanted.texts) return got.length === wanted.texts.length && got.every((text, at) => text === wanted.texts[at]);
    return close(got, wanted, check.tolerance) || (check.percent && close(got.map((value) => value / 100), wanted, check.tolerance));
  }
  function judge(typed, check) {
    if (!typed.trim()) return ["blank", "还没有作答。"];
    const { right } = check;
    if (says(typed, right, check)) return ["passed", check.passes];
    const mistake = check.mistakes.find(({ wanted }) => says(typed, wanted, check));
    if (mistake) return ["mistake", mistake.says];
    if (right.scalar && Number.isNaN(number(typed))) return ["error", "这里要一个数，像 3、0.25、1/4 或 25%。"];
    if (right.numbers && !right.scalar && pieces(typed).some((piece) => Number.isNaN(number(piece)))) return ["error", "这里要几个数，用逗号隔开。"];
    return ["wrong", check.wrong.replace("\0", typed.trim())];
  }

  // ---- the card ----
  const SIGNS = { passed: "✓", blank: "○", mistake: "✗", wrong: "✗", error: "!" };
  const name = (card) => `course-${card.id}`;
  function mark(card) {
    const title = card.querySelector(".exercise-title");
    if (!title.querySelector(".exercise-passed")) title.append(make("b", { class: "exercise-passed" }, " · ✓ 已通过"));
  }
  function asked(card) { // what is typed or chosen, as an element, and how to read it
    if (card.dataset.kind !== "choice") {
      const line = make("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
      return [make("label", {}, make("span", {}, "你的答案"), line), () => line.value];
    }
    const list = [...card.querySelectorAll(":scope > ul")].pop(); // a task may hold lists of its own
    const group = make("fieldset", {}, make("legend", {}, "选一个"));
    for (const item of list.children) {
      const letter = item.textContent.trim()[0];
      group.append(make("label", {}, make("input", { type: "radio", name: card.id, value: letter }), make("span", {}, ...item.cloneNode(true).childNodes)));
    }
    list.classList.add("guess-list");
    return [group, () => group.querySelector("input:checked")?.value || ""];
  }
  function mount(card) {
    const check = unpack(card.dataset.check);
    const [field, read] = asked(card);
    const said = make("div", { role: "status", class: "exercise-said" });
    const form = make("form", { class: "exercise-form", "data-prevent-swipe": "" }, field, make("button", { type: "submit" }, "检查"), said);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [kind, message] = judge(read(), check);
      const rich = kind === "passed" || kind === "mistake";
      const words = make("div");
      if (rich) words.innerHTML = message;
      else words.textContent = message;
      said.replaceChildren(make("b", {}, SIGNS[kind] + " "), words);
      said.className = `exercise-said check-${kind}`;
      if (rich) window.MathJax?.typesetPromise?.([said]);
      if (kind !== "passed") return;
      mark(card);
      const next = card.querySelector(":scope > .exercise-next");
      if (next) next.open = true;
      try { localStorage.setItem(name(card), "passed"); } catch { /* this page remembers */ }
    });
    // keys pressed here turn no slide and open no search
    form.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); });
    const solution = make("details", { class: "exercise-solution" }, make("summary", {}, "解答"));
    solution.addEventListener("toggle", () => {
      if (solution.children.length > 1) return;
      const shown = make("div");
      shown.innerHTML = check.solution;
      solution.append(shown);
      window.MathJax?.typesetPromise?.([shown]);
    });
    const before = card.querySelector(":scope > .exercise-hint, :scope > .exercise-next");
    if (before) before.before(form);
    else card.append(form);
    const next = card.querySelector(":scope > .exercise-next");
    if (next) next.before(solution);
    else card.append(solution);
    try { if (localStorage.getItem(name(card))) mark(card); } catch { /* nothing is remembered */ }
  }
  const begin = () => document.querySelectorAll(".exercise[data-check]").forEach(mount);
  if (document.readyState === "loading") document.addEventListener("readystatechange", begin, { once: true });
  else begin();
})();
