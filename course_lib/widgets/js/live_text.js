// A language model at work in the page: it writes on from the reader's words, shows what it hesitates between, and where
// each head looks. Before 运行 it shows what the course's own code computed (`still`); after it, what net.js computes.
// Of several models (`others`) one is at work at a time, on the same words and the same seed.

const OWN_STYLE = `
.course-widget-live-text .course-widget-controls { gap: .5em .8em; margin: 0 0 .5em; }
.course-widget-live-text input[type=text], .course-widget-live-text input[type=number] { color: inherit; background: transparent; border: 1px solid currentColor; border-radius: .4em; padding: .1em .5em; min-height: 1.9em; min-width: 0; }
.course-widget-live-text input[type=text] { width: 11em; max-width: 100%; }
.course-widget-live-text input[type=number] { width: 4.6em; }
.course-widget-live-text button:disabled, .course-widget-live-text fieldset:disabled { cursor: default; }
.course-widget-live-text button.course-widget-main { background: #0961C4; border-color: #0961C4; color: #FFFFFF; font-weight: 600; min-width: 6em; }
.course-widget-live-text button.course-widget-minor:disabled { opacity: .5; }
.course-widget-card.course-widget-writing { width: 100%; padding: .8em; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(17em, 100%), 1fr)); gap: 1em 1.6em; }
.course-widget-column { display: grid; align-content: start; gap: .8em; }
.course-widget-writing fieldset { border: 0; padding: 0; margin: 0; min-width: 0; }
.course-widget-heading, .course-widget-writing legend { font-size: 1em; font-weight: 600; line-height: 1.5; margin: 0 0 .3em; padding: 0; color: inherit; float: none; width: auto; }
.course-widget-writing p { margin: 0; font-size: .88em; line-height: 1.5; color: #4F5B67; }
.course-widget-writing p.course-widget-looked { min-height: 3em; }
.course-widget-tiles { display: flex; flex-wrap: wrap; align-content: flex-start; gap: .14em; font-size: 1.15em; line-height: 1.6; }
.course-widget-tile { position: relative; min-width: 1.4em; padding: 0 .1em; margin: 0; text-align: center; white-space: pre; border-radius: .25em; border: 2px solid transparent; cursor: pointer; }
.course-widget-tile.course-widget-given { font-weight: 700; }
.course-widget-tile.course-widget-later { color: #66717C; }
.course-widget-tile.course-widget-asking { border-color: #0961C4; }
.course-widget-tile.course-widget-kept, .course-widget-tile.course-widget-missed { box-shadow: inset 0 -.17em #01A360; font-weight: 700; }
.course-widget-tile.course-widget-missed { box-shadow: inset 0 -.17em #C8102E; }
.course-widget-tile input, .course-widget-head input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }
.course-widget-tile:has(:focus-visible), .course-widget-head:has(:focus-visible) { outline: 3px solid #5B9DF0; outline-offset: 1px; }
.course-widget-break { flex-basis: 100%; height: 0; }
.course-widget-heads { display: grid; gap: .3em; margin: .2em 0 .4em; align-items: center; font-size: .88em; }
.course-widget-head { position: relative; height: 1.5em; margin: 0; border: 1px solid #C3CBD3; border-radius: .25em; cursor: pointer; overflow: hidden; }
.course-widget-head:has(:checked) { border: 2px solid #0961C4; }
.course-widget-scale { display: inline-block; vertical-align: -.15em; width: 7em; height: .9em; border: 1px solid #C3CBD3; border-radius: .2em; margin: 0 .4em; }
.course-widget-key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 0; border-radius: .15em; }
.course-widget-key + span { margin-right: 1em; }
.course-widget-candidates { display: grid; gap: .12em; margin: .3em 0; }
.course-widget-box button.course-widget-candidate { display: grid; grid-template-columns: 2.4em minmax(0, 1fr) 3.4em 3.4em; gap: .4em; align-items: center; width: 100%; min-height: 1.75em; padding: 0 .3em; border: 1px solid transparent; border-radius: .3em; text-align: left; font-variant-numeric: tabular-nums; line-height: 1.4; }
.course-widget-box button.course-widget-candidate:not(:disabled):hover { background: #EEF4FB; }
.course-widget-box button.course-widget-candidate.course-widget-taken { border-color: #0961C4; }
.course-widget-candidate b { font-size: 1.1em; text-align: center; white-space: pre; font-weight: 600; overflow: hidden; }
.course-widget-candidate i { display: block; height: .42em; border-radius: 0 .2em .2em 0; }
.course-widget-candidate small { font-size: .88em; text-align: right; }
.course-widget-out b, .course-widget-out small { color: #66717C; }
.course-widget-knobs { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(17em, 100%), 1fr)); gap: .1em 1.6em; grid-column: 1 / -1; border-top: 1px solid #E1E5EA !important; padding-top: .5em !important; }
.course-widget-knobs .course-widget-knob { flex-wrap: nowrap; }
.course-widget-knobs .course-widget-label { min-width: 5.2em; }
.course-widget-knobs input[type=range] { flex: 1 1 6em; width: 6em; min-width: 0; }
.course-widget-knobs .course-widget-value { text-align: right; }
.course-widget-live-text fieldset:disabled { opacity: 1; }
.course-widget-on-slide .course-widget-counted + p { display: none; }
.course-widget-status { margin: .4em 0 0; min-height: 3em; font-size: .92em; }
.course-widget-status.course-widget-wrong { padding-left: .6em; border-left: 4px solid #C8102E; }
`;

const ROWS = 10;
const BEAT = 140; // milliseconds from token to token

const shown = (text) => text.replaceAll("\n", "↵").replace(/^ $/, "␣");
const quoted = (text) => `「${shown(text)}」`;
const tint = (weight) => `rgba(196, 105, 4, ${(0.75 * Math.sqrt(weight)).toFixed(3)})`;
const percent = (p) => (p === 0 ? "0" : p < 0.001 ? "<0.1%" : `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)}%`);

// The likeliest next tokens after the knobs, [id, before, after], and what the others have together, [before, after].
function candidates(logits, said, knobs) {
  const before = softmax(logits);
  const after = softmax(turnKnobs(logits, { ...knobs, said }));
  const order = Array.from(logits.keys()).sort((a, b) => after[b] - after[a] || before[b] - before[a]);
  const next = order.slice(0, ROWS).map((id) => [id, before[id], after[id]]);
  const rest = [1, 2].map((which) => Math.max(0, 1 - next.reduce((sum, each) => sum + each[which], 0)));
  return { next, rest };
}

// Of each line after the prompt: where it begins, and whether with the character asked for. An 藏头诗 has one a line.
function beginnings(tokens, nPrompt, heads, breaks) {
  const firsts = [...tokens.keys()].filter((i) => i >= nPrompt && (i === nPrompt || breaks.includes(tokens[i - 1])));
  return firsts.slice(0, heads.length).map((i, line) => [i, tokens[i] === heads[line]]);
}

// A radio button that a tile or a strip lies under.
function radio(group, className, label) {
  const input = node("input", { type: "radio", name: group, "aria-label": label });
  return { input, field: node("label", { class: className }, input) };
}

export default {
  maths: { spell, candidates, beginnings },
  render({ model, el }) {
    const root = box(el, "live_text", STYLE + OWN_STYLE);
    root.classList.add("course-widget-live-text");
    const [start, end, breaks] = ["start", "end", "breaks"].map((key) => model.get(key));
    const after = model.get("after") ?? []; // tokens between the reader's words and the text
    const nHeads = model.get("heads") ?? 0; // so many characters are asked for, each to begin a line
    const models = [model, ...(model.get("others") ?? []).map((other) => ({ get: (key) => other[key] }))];
    const knobs = { ...model.get("knobs") };
    const group = `course-widget-${Math.random().toString(36).slice(2)}`;
    const nets = new Map();
    let [chosen, net] = [model, null];
    let [ids, steps, nPrompt, at, over, timer] = [[], [], 0, 0, "", null];
    let begun = null; // the words that the text began with
    let [layer, head] = [model.get("still").attention.length - 1, 0];

    // ---- what the reader holds
    const words = node("input", { type: "text", value: model.get("prompt"), spellcheck: "false", autocomplete: "off", maxlength: 200 });
    if (nHeads) words.style.width = `${nHeads + 2}em`;
    const seed = node("input", { type: "number", value: model.get("seed"), min: 0, max: 9999, step: 1 });
    const [run, step, again] = ["▶ 运行", "下一个", "换一种写法"].map((text) => node("button", { type: "button" }, text));
    run.className = "course-widget-main";
    step.className = again.className = "course-widget-minor";
    const choosing = node("fieldset", { class: "course-widget-knob" }, node("legend", { class: "course-widget-label" }, "模型"));
    models.forEach((each) => {
      const input = node("input", { type: "radio", name: `${group}-model` });
      input.checked = each === chosen;
      input.addEventListener("change", () => choose(each));
      choosing.append(node("label", { class: "course-widget-choice" }, input, each.get("label") ?? ""));
    });
    const labelled = (text, input) => node("label", { class: "course-widget-knob" }, node("span", { class: "course-widget-label" }, text), input);
    const status = node("p", { class: "course-widget-status", role: "status" });
    const say = (text, wrong = false) => {
      status.textContent = text;
      status.classList.toggle("course-widget-wrong", wrong);
    };

    // ---- what the reader sees
    const tiles = node("div", { class: "course-widget-tiles" });
    tiles.style.minHeight = `${model.get("lines") * 1.95}em`;
    const note = node("p", { class: "course-widget-counted" });
    const text = node("fieldset", {}, node("legend", {}, "正文"), tiles, ...(nHeads ? [note] : []), node("p", {}, "粗体是你的开头。点一个字，就从它（蓝框）看。"));
    const [reads, looked] = [node("div", { class: "course-widget-heading" }), node("p", { class: "course-widget-looked" })];
    const heads = node("div", { class: "course-widget-heads" });
    const strips = model.get("still").attention.map((each, l) => {
      heads.append(node("span", {}, `第 ${l + 1} 层`));
      return each.map((_, h) => {
        const { input, field } = radio(`${group}-head`, "course-widget-head", `第 ${l + 1} 层第 ${h + 1} 头`);
        input.checked = l === layer && h === head;
        input.addEventListener("change", () => {
          [layer, head] = [l, h];
          show();
        });
        heads.append(field);
        return field;
      });
    });
    heads.style.gridTemplateColumns = `auto repeat(${strips[0].length}, minmax(0, 1fr))`;
    const scale = node("span", { class: "course-widget-scale", "aria-hidden": "true" });
    scale.style.background = `linear-gradient(90deg, ${Array.from({ length: 11 }, (_, i) => tint(i / 10)).join(", ")})`;
    const attention = node("fieldset", {}, node("legend", {}, "它的每个头看哪里"), heads, looked, node("p", {}, "权重 0", scale, "1（开方上色）"));
    const key = (colour, name) => {
      const square = node("span", { class: "course-widget-key" });
      square.style.background = colour;
      return [square, node("span", {}, name)];
    };
    const [BEFORE, AFTER] = ["#8A9199", "#0961C4"];
    const list = node("div", { class: "course-widget-candidates", role: "group" });
    const rows = Array.from({ length: ROWS }, () => {
      const [name, bars, before, after] = [node("b"), node("span"), node("small"), node("small")];
      const lines = [BEFORE, AFTER].map((colour) => {
        const line = node("i");
        line.style.background = colour;
        return line;
      });
      bars.append(...lines);
      const button = node("button", { type: "button", class: "course-widget-candidate" }, name, bars, before, after);
      list.append(button);
      return { button, name, lines, before, after };
    });
    const others = node("p");
    const next = node("div", {}, reads, node("p", {}, ...key(BEFORE, "模型给的概率"), ...key(AFTER, "拧过旋钮")), list, others);
    const TOP_K = [...new Set([1, 2, 3, 5, 10, 20, 50, 100, knobs.top_k ?? 1])].sort((a, b) => a - b);
    const fields = [
      slider({ label: "温度", min: 0, max: 2, step: 0.05, value: knobs.temperature, text: (v) => (v ? v.toFixed(2) : "贪心"), changed: (v) => turn({ temperature: v }) }),
      slider({ label: "top-k", max: TOP_K.length, value: knobs.top_k === null ? TOP_K.length : TOP_K.indexOf(knobs.top_k), text: (i) => String(TOP_K[i] ?? "不截"), changed: (i) => turn({ top_k: TOP_K[i] ?? null }) }),
      slider({ label: "top-p", min: 0.05, max: 1, step: 0.05, value: knobs.top_p ?? 1, text: (v) => (v < 1 ? v.toFixed(2) : "不截"), changed: (v) => turn({ top_p: v < 1 ? v : null }) }),
      slider({ label: "重复惩罚", min: 1, max: 2, step: 0.05, value: knobs.repetition_penalty, text: (v) => (v > 1 ? v.toFixed(2) : "不罚"), changed: (v) => turn({ repetition_penalty: v }) }),
    ];
    const turning = node("fieldset", { class: "course-widget-knobs", "aria-label": "旋钮" }, ...fields.map(({ field }) => field));
    const turn = (changes) => {
      Object.assign(knobs, changes);
      show();
    };

    // One picture of the whole: what was read, which token asks, what it looks at, what may come next.
    const picture = () => {
      if (!steps.length) return chosen.get("still");
      const { next, rest } = candidates(steps[at].logits, new Set(ids.slice(0, at + 1)), knobs);
      const named = next.map(([id, ...p]) => [id, net.texts[id], ...p]);
      return { tokens: ids.map((id) => net.texts[id]), n_prompt: nPrompt, at, next: named, rest, taken: ids[at + 1] ?? null, attention: steps[at].attention };
    };
    const written = [];
    const drawTiles = ({ tokens, n_prompt, at, attention }) => {
      const looks = attention[layer][head];
      if (written.some((each, i) => each !== tokens[i])) {
        tiles.replaceChildren();
        written.length = 0;
      }
      tokens.slice(written.length).forEach((each) => {
        const i = written.push(each) - 1;
        const { input, field } = radio(`${group}-tile`, "course-widget-tile", `第 ${i + 1} 个：${shown(each)}`);
        input.addEventListener("change", () => look(i));
        field.append(shown(each));
        tiles.append(field);
        if (i >= start.length && (each.endsWith("\n") || breaks.includes(each))) tiles.append(node("span", { class: "course-widget-break" }));
      });
      const lines = new Map(beginnings(tokens, n_prompt, Array.from(begun ?? model.get("prompt")).slice(0, nHeads), breaks));
      tiles.querySelectorAll("label").forEach((field, i) => {
        field.classList.toggle("course-widget-given", i < n_prompt);
        field.classList.toggle("course-widget-later", i > at);
        field.classList.toggle("course-widget-asking", i === at);
        field.style.background = i > at ? "" : tint(looks[i]);
        field.title = i > at ? "" : `权重 ${percent(looks[i])}`;
        field.firstChild.checked = i === at;
        field.classList.toggle("course-widget-kept", lines.get(i) === true);
        field.classList.toggle("course-widget-missed", lines.get(i) === false);
      });
      if (nHeads) note.textContent = `${lines.size} 句里 ${[...lines.values()].filter(Boolean).length} 句照你的字开头（绿线）。`;
    };
    const drawHeads = ({ tokens, at, attention }) => {
      attention.forEach((each, l) =>
        each.forEach((weights, h) => {
          const stops = Array.from(weights, (w, i) => `${tint(w)} ${(100 * i) / weights.length}% ${(100 * (i + 1)) / weights.length}%`);
          strips[l][h].style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
        }),
      );
      const weights = attention[layer][head];
      const most = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a]).slice(0, 3);
      const where = most.map((i) => `${i === at ? "自己" : quoted(tokens[i])} ${percent(weights[i])}`).join("，");
      looked.textContent = `第 ${layer + 1} 层第 ${head + 1} 头，${quoted(tokens[at])}最看：${where}`;
    };
    const drawNext = ({ tokens, at, next, rest, taken }) => {
      reads.textContent = `读到${quoted(tokens[at])}，下一个是什么`;
      list.setAttribute("aria-label", `${reads.textContent}：概率最大的 ${next.length} 个`);
      const largest = Math.max(...next.flatMap(([, , before, after]) => [before, after]));
      rows.forEach(({ button, name, lines, before, after }, i) => {
        button.hidden = !next[i];
        if (!next[i]) return;
        const [id, word, p, q] = next[i];
        name.textContent = shown(word);
        [p, q].forEach((share, which) => (lines[which].style.width = `${(100 * share) / largest}%`));
        [before.textContent, after.textContent] = [percent(p), percent(q)];
        before.style.color = "#4F5B67";
        button.classList.toggle("course-widget-out", q === 0);
        button.classList.toggle("course-widget-taken", id === taken);
        button.setAttribute("aria-label", `${quoted(word)}，模型给 ${percent(p)}，拧过旋钮 ${percent(q)}${id === taken ? "，写下的是它" : ""}；选它`);
        button.onclick = () => pick(id);
      });
      others.textContent = `其余的合计：${percent(rest[0])} → ${percent(rest[1])}`;
    };
    const show = () => {
      const now = picture();
      for (const part of [text, turning, step, again, ...rows.map(({ button }) => button)]) part.disabled = !steps.length;
      drawTiles(now);
      drawNext(now);
      drawHeads(now);
      run.textContent = timer === null ? "▶ 运行" : "■ 停";
    };

    // ---- writing
    // The reader may choose another model while one is on its way: then that one is fetched, too.
    const load = async () => {
      if (net) return true;
      root.setAttribute("aria-busy", "true");
      say("正在取模型的权重 …");
      try {
        while (!nets.has(chosen)) {
          const asked = chosen;
          const weights = await weightsOf(asked);
          nets.set(asked, Object.assign(new GPT2(weights), { texts: weights.texts }));
        }
        net = nets.get(chosen);
      } catch (error) {
        say(`权重取不到（${error.message}）。请检查网络，再按一次运行。`, true);
      }
      root.removeAttribute("aria-busy");
      return net !== null;
    };
    const rewind = (length) => {
      ids.length = steps.length = length;
      net.crop(length);
      over = "";
    };
    const read = (token) => {
      ids.push(token);
      steps.push(net.step(token));
      at = ids.length - 1;
    };
    const write = (token) => {
      if (end.includes(token)) over = "模型说：写完了。";
      else if (ids.length < net.config.context) read(token);
      if (ids.length === net.config.context) over ||= `写满了：这个模型最多读 ${net.config.context} 个。`;
    };
    // From the reader's words anew; false, and says why, if the model cannot read them.
    const begin = () => {
      const { found, unknown } = spell(words.value, net.texts);
      const prompt = [...start, ...found, ...after];
      if (unknown.length) say(`模型的词表里没有${unknown.map(quoted).join("")}。请换掉再运行。`, true);
      else if (nHeads && found.length !== nHeads) say(`写了 ${found.length} 个字。请写 ${nHeads} 个，每个字领一句。`, true);
      else if (!prompt.length) say("请先写一个字。", true);
      else if (prompt.length >= net.config.context) say(`开头占 ${prompt.length} 个，模型最多读 ${net.config.context} 个。请写短一些。`, true);
      else {
        rewind(0);
        nPrompt = prompt.length;
        prompt.forEach(read);
        begun = words.value;
        return true;
      }
      return false;
    };
    const ready = () => (begun === words.value && !over) || begin();
    const writeOne = () => {
      const logits = turnKnobs(steps.at(-1).logits, { ...knobs, said: new Set(ids) });
      write(draw(logits, randomNumbers(1000 * Number(seed.value) + ids.length)));
    };
    const halt = () => {
      clearTimeout(timer);
      timer = null;
      run.textContent = "▶ 运行";
    };
    const told = () => say(over || `写到第 ${ids.length} 个，最多 ${net.config.context} 个。点一行候选，就改写下一个；点正文里的字，就从那里看。`);
    const beat = () => {
      writeOne();
      while (prefersStillness() && !over) writeOne();
      timer = over ? null : setTimeout(beat, BEAT);
      show();
      if (over) told();
    };
    const go = async (fresh) => {
      if (root.hasAttribute("aria-busy") || !(await load()) || !(fresh ? begin() : ready())) return;
      say("");
      beat();
    };
    const stop = () => {
      halt();
      show();
      told();
    };
    const look = (i) => {
      halt();
      at = i;
      show();
      told();
    };
    const pick = (token) => {
      halt();
      rewind(at + 1);
      nPrompt = Math.min(nPrompt, ids.length);
      write(token);
      show();
      told();
    };
    // Another model: until one has run, what the course computed; after that the same words and seed anew.
    const choose = (another) => {
      halt();
      chosen = another;
      ids.length = steps.length = at = 0;
      [net, begun, over] = [nets.get(another) ?? null, null, ""];
      show();
      if (nets.size) go(true);
    };
    run.addEventListener("click", () => (timer === null ? go(false) : stop()));
    words.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      halt();
      go(true);
    });
    step.addEventListener("click", () => {
      halt();
      if (!ready()) return;
      writeOne();
      show();
      told();
    });
    again.addEventListener("click", () => {
      halt();
      seed.value = (Number(seed.value) + 1) % 10000;
      go(true);
    });
    seed.addEventListener("change", () => {
      begun = null;
    });
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && timer !== null) stop();
    });

    root.append(
      node("div", { class: "course-widget-controls" }, ...(models.length > 1 ? [choosing] : []), labelled(nHeads ? `${nHeads} 个字` : "开头", words), run, step, again, labelled("种子", seed)),
      node("div", { class: "course-widget-card course-widget-writing" }, node("div", { class: "course-widget-column" }, text, attention), next, turning),
      status,
    );
    show();
    say(model.get("about"));
    return halt;
  },
};
