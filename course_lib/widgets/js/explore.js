// A picture with knobs. Frames come with the page; with a kernel, those that are missing are asked for.

// Radio buttons or a <select>: the reader picks one of `texts`; `changed(index)` hears it.
function choice({ label, kind, texts, value, changed }) {
  if (kind === "select") {
    const options = texts.map((text, i) => node("option", { value: i }, text));
    const select = node("select", {}, ...options);
    select.value = value;
    select.addEventListener("change", () => changed(Number(select.value)));
    return { field: node("label", { class: "course-widget-knob" }, node("span", { class: "course-widget-label" }, label), select) };
  }
  const group = `course-widget-${Math.random().toString(36).slice(2)}`;
  const radios = texts.map((text, i) => {
    const radio = node("input", { type: "radio", name: group, value: i });
    radio.checked = i === value;
    radio.addEventListener("change", () => changed(i));
    return node("label", { class: "course-widget-choice" }, radio, text);
  });
  return { field: node("fieldset", { class: "course-widget-knob" }, node("legend", { class: "course-widget-label" }, label), ...radios) };
}

// A button that walks a slider to its end; who prefers no motion gets one step a press.
function play(knob, label, moved, ready) {
  const button = node("button", { type: "button" });
  let timer = null;
  const name = (text) => {
    button.textContent = text;
    button.setAttribute("aria-label", `${text}：${label}`);
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    name(prefersStillness() ? "下一步" : "▶ 播放");
  };
  const step = () => {
    if (!ready()) return;
    const next = knob.get() >= knob.max ? 0 : knob.get() + 1;
    knob.set(next);
    moved(next);
    if (next >= knob.max) stop();
  };
  button.addEventListener("click", () => {
    if (timer !== null) return stop();
    step();
    if (prefersStillness() || knob.get() >= knob.max) return;
    timer = setInterval(step, 600);
    name("■ 停");
  });
  stop();
  return { button, stop };
}

export default {
  render({ model, el }) {
    const root = box(el, "explore", STYLE);
    const knobs = model.get("knobs");
    const images = model.get("images");
    const live = model.get("request") !== undefined;
    const frames = new Map(Object.entries(model.get("frames")).map(([key, [image, alt]]) => [key, { image: images[image], alt }]));
    const indices = [...model.get("start")];
    const picture = node("img");
    const trouble = node("p", { class: "course-widget-error", role: "alert", hidden: "" });
    const players = [];
    let turn = 0;

    const show = () => {
      const key = indices.join(",");
      const frame = frames.get(key);
      if (frame) {
        picture.src = frame.image;
        picture.alt = frame.alt;
        trouble.hidden = true;
        root.removeAttribute("aria-busy");
      } else if (live) {
        root.setAttribute("aria-busy", "true");
        turn += 1;
        model.set("request", { key, turn });
        model.save_changes();
      }
    };
    const answered = () => {
      const { key, image, alt, error } = model.get("answer");
      if (image) frames.set(key, { image, alt });
      if (key !== indices.join(",")) return;
      if (image) return show();
      root.removeAttribute("aria-busy");
      trouble.textContent = `这一帧画不出来：${error}`;
      trouble.hidden = false;
      players.forEach((player) => player.stop());
    };

    const controls = node("div", { class: "course-widget-controls" });
    knobs.forEach(({ label, kind, texts }, which) => {
      const moved = (index) => {
        indices[which] = index;
        show();
      };
      if (kind !== "slider") {
        controls.append(choice({ label, kind, texts, value: indices[which], changed: moved }).field);
        return;
      }
      const changed = (index) => {
        player.stop();
        moved(index);
      };
      const knob = slider({ label, max: texts.length - 1, value: indices[which], text: (i) => texts[i], changed });
      const player = play(knob, label, moved, () => !root.hasAttribute("aria-busy"));
      players.push(player);
      controls.append(node("div", { class: "course-widget-knob" }, knob.field, player.button));
    });
    root.append(controls, node("div", { class: "course-widget-card" }, picture), trouble);
    if (live) model.on("change:answer", answered);
    show();
    return () => {
      players.forEach((player) => player.stop());
      if (live) model.off("change:answer", answered);
    };
  },
};
