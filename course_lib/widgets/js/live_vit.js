// A ViT that reads what the reader draws: ten probabilities, and where the class token looks. Before 运行 it shows what
// the course's own code computed (`still`); after it, what net_vision.js computes.

const OWN_STYLE = `
.course-widget-live-vit button.course-widget-main { background: #0961C4; border-color: #0961C4; color: #FFFFFF; font-weight: 600; min-width: 6em; }
.course-widget-card.course-widget-seeing { width: 100%; padding: .8em; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(15em, 100%), 1fr)); gap: 1em 1.4em; }
.course-widget-seeing fieldset { border: 0; padding: 0; margin: 0; min-width: 0; }
.course-widget-seeing legend, .course-widget-seen-title { font-size: 1em; font-weight: 600; line-height: 1.5; margin: 0 0 .3em; padding: 0; color: inherit; float: none; width: auto; }
.course-widget-seeing p { margin: .3em 0 0; font-size: .88em; line-height: 1.5; color: #4F5B67; }
.course-widget-seeing canvas { display: block; width: 100%; max-width: 13em; aspect-ratio: 1; border: 1px solid #C3CBD3; border-radius: .3em; image-rendering: pixelated; background: #FFFFFF; }
.course-widget-seeing canvas.course-widget-paper { cursor: crosshair; touch-action: none; border: 2px solid #5F6B76; }
.course-widget-digit { display: grid; grid-template-columns: 1.6em minmax(0, 1fr) 3.6em; gap: .4em; align-items: center; font-variant-numeric: tabular-nums; line-height: 1.55; }
.course-widget-digit i { display: block; height: .8em; background: #0961C4; border-radius: 0 .2em .2em 0; }
.course-widget-digit small { font-size: .88em; text-align: right; }
.course-widget-digit.course-widget-first { font-weight: 700; }
.course-widget-maps { display: grid; gap: .3em; margin: .2em 0 .5em; align-items: center; font-size: .88em; max-width: 20em; }
.course-widget-seeing fieldset.course-widget-looking { grid-column: 1 / -1; }
.course-widget-beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(13em, 100%), 1fr)); gap: .6em 1.4em; align-items: start; }
.course-widget-map { position: relative; margin: 0; border: 1px solid #C3CBD3; border-radius: .25em; cursor: pointer; overflow: hidden; }
.course-widget-seeing .course-widget-map canvas { border: 0; border-radius: 0; max-width: none; }
.course-widget-map input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }
.course-widget-map:has(:checked) { outline: 2px solid #0961C4; }
.course-widget-map:has(:focus-visible) { outline: 3px solid #5B9DF0; outline-offset: 1px; }
.course-widget-vit-status { margin: .4em 0 0; min-height: 3em; font-size: .92em; }
.course-widget-on-slide .course-widget-seeing { gap: .5em 1.4em; padding: .4em .8em; }
.course-widget-on-slide .course-widget-seeing canvas { max-width: 8em; }
.course-widget-on-slide .course-widget-seeing > div > p { display: none; }
.course-widget-on-slide .course-widget-digit { font-size: .86em; line-height: 1.05; }
.course-widget-on-slide .course-widget-digit small { font-size: 1em; }
.course-widget-on-slide .course-widget-beside canvas { max-width: 6.5em; }
.course-widget-on-slide .course-widget-maps { max-width: 13em; }
.course-widget-on-slide .course-widget-vit-status { min-height: 1.5em; }
`;

const PAPER = 64; // the reader draws on so many squares a side
const SIDE = 8; // what the data set holds
const PEN = 3.2; // radius
const WIDEST = 26; // of 32: the data set's digits fill the height, not the width

const percent = (p) => (p < 0.001 ? "<0.1%" : `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)}%`);
const heat = (share) => `rgba(196, 105, 4, ${(0.85 * share).toFixed(3)})`;

// Ink [PAPER²] of zeros and ones -> [SIDE²] bytes, as the data set's scans were made: what is drawn is cut out, set on 32
// rows and at most WIDEST of 32 columns, and each 4×4 squares are counted, 16 a square, at most 255. Null: no ink.
function scan(ink) {
  let [top, bottom, left, right] = [PAPER, -1, PAPER, -1];
  ink.forEach((value, i) => {
    if (!value) return;
    const [y, x] = [Math.floor(i / PAPER), i % PAPER];
    [top, bottom, left, right] = [Math.min(top, y), Math.max(bottom, y), Math.min(left, x), Math.max(right, x)];
  });
  if (bottom < 0) return null;
  const [high, wide] = [bottom - top + 1, right - left + 1];
  const fine = 4 * SIDE;
  const width = Math.min((wide * fine) / high, WIDEST);
  const counts = new Array(SIDE * SIDE).fill(0);
  for (let v = 0; v < fine; v++) {
    for (let u = 0; u < fine; u++) {
      const y = top + Math.floor(((v + 0.5) * high) / fine);
      const x = left + Math.floor(((u + 0.5 - (fine - width) / 2) * wide) / width);
      if (x >= left && x <= right && ink[y * PAPER + x]) counts[Math.floor(v / 4) * SIDE + Math.floor(u / 4)] += 1;
    }
  }
  return counts.map((count) => Math.min(16 * count, 255));
}

// Bytes [SIDE²] -> what the model reads [C H W], each byte repeated where the model is larger: -1 … 1.
function pixelsOf(bytes, { channels, height, width }) {
  const pixels = new Float32Array(channels * height * width);
  for (let i = 0; i < pixels.length; i++) {
    const [y, x] = [Math.floor(i / width) % height, i % width];
    pixels[i] = bytes[Math.floor((y * SIDE) / height) * SIDE + Math.floor((x * SIDE) / width)] / 127.5 - 1;
  }
  return pixels;
}

// What a picture gives: probabilities, the class token's row of each head, and its rollout.
function lookAt(net, bytes) {
  const { logits, attention } = net.read(pixelsOf(bytes, net.config));
  return { probs: softmax(logits), attention: attention.map((heads) => heads.map((head) => head[0])), rollout: rollout(attention) };
}

export default {
  maths: { scan, pixelsOf },
  render({ model, el }) {
    const root = box(el, "live_vit", STYLE + OWN_STYLE);
    root.classList.add("course-widget-live-vit");
    const [still, examples, classes, columns] = ["still", "examples", "classes", "columns"].map((key) => model.get(key));
    const group = `course-widget-${Math.random().toString(36).slice(2)}`;
    const ink = new Uint8Array(PAPER * PAPER);
    let [net, bytes, seen, example] = [null, examples[0], still, 0];
    let chosen = "rollout";
    let pen = { x: PAPER / 2, y: PAPER / 2, down: false, keys: false };

    const [run, wipe, other] = ["▶ 运行", "擦掉", "换一张真的"].map((text) => node("button", { type: "button" }, text));
    run.className = "course-widget-main";
    const status = node("p", { class: "course-widget-vit-status", role: "status" });
    const say = (text) => (status.textContent = text);
    const picture = (side, label) => node("canvas", { width: side, height: side, role: "img", "aria-label": label });
    const paper = node("canvas", { width: PAPER, height: PAPER, class: "course-widget-paper", tabindex: 0, role: "application", "aria-label": "画布：用鼠标或手指画；键盘用方向键移动，空格落笔或抬笔，Delete 擦掉" });
    const scanned = picture(8 * SIDE, "模型看到的图");
    const over = picture(8 * SIDE, "注意力盖在图上");
    const looked = node("p", { "aria-live": "polite" });
    const bars = classes.map((name) => {
      const [bar, share] = [node("i"), node("small")];
      return { line: node("div", { class: "course-widget-digit" }, node("b", {}, name), bar, share), bar, share };
    });
    const maps = node("div", { class: "course-widget-maps" });
    maps.style.gridTemplateColumns = `auto repeat(${still.attention[0].length}, minmax(0, 1fr))`;
    const choice = (key, label) => {
      const input = node("input", { type: "radio", name: group, "aria-label": label });
      const small = node("canvas", { width: columns, height: still.rollout.length > 1 ? (still.rollout.length - 1) / columns : 1, "aria-hidden": "true" });
      input.checked = key === chosen;
      input.addEventListener("change", () => {
        chosen = key;
        show();
      });
      return { key, label, small, field: node("label", { class: "course-widget-map" }, input, small) };
    };
    const choices = still.attention.flatMap((heads, l) => {
      maps.append(node("span", {}, `第 ${l + 1} 层`));
      return heads.map((_, h) => {
        const made = choice(`${l},${h}`, `第 ${l + 1} 层第 ${h + 1} 头`);
        maps.append(made.field);
        return made;
      });
    });
    const all = choice("rollout", "全部层连乘（rollout）");
    maps.append(node("span", {}, "连乘"), all.field);
    choices.push(all);

    // ---- what the reader sees
    const weightsFor = (key) => {
      if (key === "rollout") return seen.rollout;
      const [l, h] = key.split(",").map(Number);
      return seen.attention[l][h];
    };
    const drawBytes = (canvas) => {
      const brush = canvas.getContext("2d");
      const size = canvas.width / SIDE;
      bytes.forEach((value, i) => {
        brush.fillStyle = `rgb(${255 - value}, ${255 - value}, ${255 - value})`;
        brush.fillRect((i % SIDE) * size, Math.floor(i / SIDE) * size, size, size);
      });
    };
    const drawHeat = (canvas, weights) => {
      const brush = canvas.getContext("2d");
      const patches = Array.from(weights).slice(1);
      const [most, size] = [Math.max(...patches), canvas.width / columns];
      patches.forEach((weight, i) => {
        brush.fillStyle = heat(weight / most);
        brush.fillRect((i % columns) * size, Math.floor(i / columns) * size, size, size);
      });
    };
    const drawPaper = () => {
      const brush = paper.getContext("2d");
      brush.fillStyle = "#FFFFFF";
      brush.fillRect(0, 0, PAPER, PAPER);
      brush.fillStyle = "#1F2933";
      ink.forEach((value, i) => value && brush.fillRect(i % PAPER, Math.floor(i / PAPER), 1, 1));
      if (!pen.keys) return;
      brush.fillStyle = pen.down ? "#C8102E" : "#0961C4";
      brush.fillRect(pen.x - 1, pen.y - 1, 3, 3);
    };
    const show = () => {
      drawPaper();
      drawBytes(scanned);
      drawBytes(over);
      drawHeat(over, weightsFor(chosen));
      const first = seen.probs.indexOf(Math.max(...seen.probs));
      bars.forEach(({ line, bar, share }, i) => {
        bar.style.width = `${100 * seen.probs[i]}%`;
        share.textContent = percent(seen.probs[i]);
        line.classList.toggle("course-widget-first", i === first);
      });
      for (const { key, small } of choices) {
        small.getContext("2d").clearRect(0, 0, small.width, small.height);
        drawHeat(small, weightsFor(key));
      }
      const weights = Array.from(weightsFor(chosen));
      const most = weights.indexOf(Math.max(...weights.slice(1)), 1) - 1;
      const { label } = choices.find(({ key }) => key === chosen);
      looked.textContent = `${label}：CLS 给自己 ${percent(weights[0])}，给图像块最多的是第 ${Math.floor(most / columns) + 1} 行第 ${(most % columns) + 1} 列，${percent(weights[most + 1])}。`;
    };

    // ---- reading
    const load = async () => {
      if (net) return true;
      root.setAttribute("aria-busy", "true");
      say("正在取模型的权重 …");
      try {
        net = new ViT(await weightsOf(model));
      } catch (error) {
        say(`权重取不到（${error.message}）。请检查网络，再按一次运行。`);
      }
      root.removeAttribute("aria-busy");
      return net !== null;
    };
    const read = () => {
      if (net) seen = lookAt(net, bytes);
      show();
      if (!net) return say("画好了。按运行，模型就在这一页里读它。");
      const first = seen.probs.indexOf(Math.max(...seen.probs));
      say(`模型读成 ${classes[first]}，概率 ${percent(seen.probs[first])}。`);
    };
    const inked = () => {
      bytes = scan(ink) ?? new Array(SIDE * SIDE).fill(0);
      read();
    };
    const dot = (x, y) => {
      const reach = Math.ceil(PEN);
      for (let v = Math.floor(y) - reach; v <= y + reach; v++) {
        for (let u = Math.floor(x) - reach; u <= x + reach; u++) {
          if (v >= 0 && v < PAPER && u >= 0 && u < PAPER && (u + 0.5 - x) ** 2 + (v + 0.5 - y) ** 2 <= PEN ** 2) ink[v * PAPER + u] = 1;
        }
      }
    };
    const stroke = (x, y) => {
      const steps = Math.max(1, Math.ceil(Math.hypot(x - pen.x, y - pen.y)));
      for (let i = 0; i <= steps; i++) dot(pen.x + ((x - pen.x) * i) / steps, pen.y + ((y - pen.y) * i) / steps);
      Object.assign(pen, { x, y });
    };
    const place = (event) => {
      const around = paper.getBoundingClientRect();
      return [((event.clientX - around.left) / around.width) * PAPER, ((event.clientY - around.top) / around.height) * PAPER];
    };
    paper.addEventListener("pointerdown", (event) => {
      paper.setPointerCapture(event.pointerId);
      const [x, y] = place(event);
      pen = { x, y, down: true, keys: false };
      stroke(x, y);
      inked();
    });
    paper.addEventListener("pointermove", (event) => {
      if (!pen.down || pen.keys) return;
      stroke(...place(event));
      inked();
    });
    for (const end of ["pointerup", "pointercancel"]) paper.addEventListener(end, () => (pen.down = pen.down && pen.keys));
    const MOVES = { ArrowLeft: [-2, 0], ArrowRight: [2, 0], ArrowUp: [0, -2], ArrowDown: [0, 2] };
    paper.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (!move && ![" ", "Delete", "Backspace"].includes(event.key)) return;
      event.preventDefault();
      if (!pen.keys) pen = { x: Math.round(pen.x), y: Math.round(pen.y), down: false, keys: true };
      if (move) {
        const [x, y] = [pen.x + move[0], pen.y + move[1]].map((value) => Math.min(Math.max(value, 0), PAPER - 1));
        if (!pen.down) Object.assign(pen, { x, y });
        else stroke(x, y);
        return pen.down ? inked() : drawPaper();
      }
      if (event.key !== " ") return clear();
      pen.down = !pen.down;
      if (pen.down) stroke(pen.x, pen.y);
      return inked();
    });
    const clear = () => {
      ink.fill(0);
      inked();
      say("擦掉了。画一个 0 到 9 的数字。");
    };
    wipe.addEventListener("click", clear);
    other.addEventListener("click", async () => {
      if (!(await load())) return;
      ink.fill(0);
      example = (example + 1) % examples.length;
      bytes = examples[example];
      read();
    });
    run.addEventListener("click", async () => {
      if (!root.hasAttribute("aria-busy") && (await load())) read();
    });

    const titled = (text, ...parts) => node("div", {}, node("div", { class: "course-widget-seen-title" }, text), ...parts);
    root.append(
      node("div", { class: "course-widget-controls" }, run, wipe, other),
      node(
        "div",
        { class: "course-widget-card course-widget-seeing" },
        titled("在这里画", paper, node("p", {}, "键盘：方向键移动，空格落笔或抬笔，Delete 擦掉。")),
        titled(`模型看到的 ${SIDE}×${SIDE}`, scanned, node("p", {}, "笔画先裁出来，撑满高，再数每格的墨。")),
        titled("它读成什么", ...bars.map(({ line }) => line)),
        node("fieldset", { class: "course-widget-looking" }, node("legend", {}, "CLS 看哪里"), node("div", { class: "course-widget-beside" }, maps, over, looked)),
      ),
      status,
    );
    show();
    say(model.get("about"));
  },
};
