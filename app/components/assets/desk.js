// The judging desk: one item on the screen and its form.
// Pictures and questions come and go together, so the screen and the record cannot disagree.

const SHORTEST_LOOK_MS = 400; // a key that was meant for the item before is not an answer to this one

const HELP = [
  ["letters and digits", "choose the answer that carries the key"],
  ["Ctrl S", "save and go on"],
  ["T · V · K", "go to the name · what it is about · the comment"],
  ["Esc", "leave a field or the enlarged picture"],
  ["← → ↑ ↓, Enter", "walk over the pictures, enlarge"],
  ["Z", "magnifier on or off"],
  ["M", "map on or off, where there is one"],
  ["P", "go back to the item before"],
];

class Desk {
  constructor(host, data, emit) {
    this.data = data;
    this.emit = emit;
    this.root = element("div", "desk");
    host.append(this.root);
    this.build();
    this.saver = new Saver((text, kind, error) => this.report(text, kind, error));
    this.form = new Form(this.questionsNode, () => this.edited());
    this.pictures = new Pictures(this.picturesNode, () => this.saver.useOverlay(this.form.answers));
    this.keys = new Keys(this);
    this.onHide = () => this.saver.flushNow();
    window.addEventListener("pagehide", this.onHide);
    document.addEventListener("visibilitychange", this.onHide);
  }

  build() {
    this.picturesNode = element("div", "pictures");
    this.headNode = element("header");
    this.questionsNode = element("div", "questions");
    this.toolsNode = element("div", "tools");
    this.saveButton = element("button", "save", "Save");
    this.saveButton.append(element("kbd", "", "Ctrl S"));
    this.saveButton.onclick = () => this.save();
    this.statusNode = element("p", "status");
    this.statusNode.setAttribute("role", "status");
    this.helpNode = this.help();
    const panel = element("aside");
    panel.append(this.headNode, this.questionsNode, this.foot());
    const left = element("div", "left");
    left.append(this.toolsNode, this.picturesNode);
    this.root.append(left, panel, this.helpNode);
  }

  foot() {
    const foot = element("footer");
    const buttons = element("div", "buttons");
    buttons.append(this.saveButton, this.tool("Previous", "P", () => this.previous()));
    buttons.append(this.tool("Keys", "?", () => this.toggleHelp()));
    foot.append(buttons, this.statusNode, element("p", "notice", this.data.notice));
    return foot;
  }

  help() {
    const sheet = element("div", "help");
    sheet.hidden = true;
    const list = element("dl");
    for (const [keys, meaning] of HELP) list.append(element("dt", "", keys), element("dd", "", meaning));
    sheet.append(element("h3", "", "Keys"), list);
    sheet.onclick = () => (sheet.hidden = true);
    return sheet;
  }

  get isJudging() {
    return this.root.isConnected && this.turn?.state === "turn";
  }

  get hasSheet() {
    return this.pictures.viewer.isOpen || !this.helpNode.hidden;
  }

  async load(item) {
    clearTimeout(this.loadTimer);
    const query = new URLSearchParams({ study: this.data.study_id, task: this.data.task_id, ...item });
    try {
      const turn = await call(`api/turn?${query}`);
      if (!this.isClosed) await this.show(turn);
    } catch (error) {
      if (!this.isClosed) this.loadFailed(item, error);
    }
  }

  // An empty desk tries again by itself; where an item is on the screen, that would take it away unasked.
  loadFailed(item, error) {
    const isTriedAgain = !this.turn && isPassing(error);
    if (isTriedAgain) this.loadTimer = setTimeout(() => this.load(item), RETRY_MS);
    this.report("", "failed", error, isTriedAgain);
  }

  async show(turn) {
    this.turn = turn;
    this.shownAt = undefined;
    if (turn.state === "finished") return this.emit("finished", Date.now());
    this.root.dataset.item = turn.item_id;
    this.helpNode.hidden = true;
    const left = this.saver.begin(turn);
    this.form.show(left ? { ...turn, answers: left } : turn);
    this.drawHead();
    this.unlock();
    const ready = this.pictures.show(turn);
    this.drawTools();
    if (this.saver.asked) this.deliver();
    else if (left) this.saver.keep(left);
    await ready;
    requestAnimationFrame(() => requestAnimationFrame(() => this.painted(turn)));
    return undefined;
  }

  painted(turn) {
    if (this.turn !== turn) return;
    this.shownAt = Date.now();
    this.root.dataset.painted = turn.nonce;
    performance.mark("cytosae-painted"); // what scripts/bench_app.py measures
    if (this.pictures.nFailed) this.sayPicturesFailed();
    for (const picture of turn.prefetch) new Image().src = `cells/${turn.study_id}/${picture}`;
  }

  drawHead() {
    const { position, n_items: n, task_title: title, revision } = this.turn;
    const step = this.turn.n_stages > 1 ? ` · step ${this.turn.stage_number} of ${this.turn.n_stages}` : "";
    const place = element("span", "place", `${title} · ${position} of ${n}${step}`);
    const bar = element("progress");
    bar.max = n;
    bar.value = this.turn.n_done;
    bar.setAttribute("aria-label", `${this.turn.n_done} of ${n} done`);
    this.headNode.replaceChildren(place, bar);
    if (this.data.simulated) this.headNode.append(element("span", "badge simulated", "SIMULATED"));
    if (revision > 1) this.headNode.append(this.revisionNote(revision));
  }

  revisionNote(revision) {
    const note = element("p", "revision", `You saved this before; saving again makes revision ${revision - 1}. `);
    note.append(this.tool("Back without saving", "", () => this.leaveRevision()));
    return note;
  }

  leaveRevision() {
    if (this.data.item) this.emit("revised", Date.now());
    else this.load({});
  }

  drawTools() {
    const size = element("span", "size", this.pictures.summary());
    this.toolsNode.replaceChildren(
      size,
      this.tool("Magnifier", "Z", () => this.pictures.lens.toggle(), () => this.pictures.lens.on),
      ...(this.pictures.hasMaps ? [this.mapTool(), this.opacityTool(), this.mapLegend()] : []),
    );
  }

  tool(label, key, action, isOn) {
    const button = element("button", "", label);
    button.type = "button";
    if (key) button.append(element("kbd", "", key));
    if (isOn) button.setAttribute("aria-pressed", String(isOn()));
    button.onclick = () => {
      action();
      if (isOn) button.setAttribute("aria-pressed", String(isOn()));
    };
    return button;
  }

  mapTool() {
    const button = this.tool("Map", "M", () => this.pictures.toggleOverlay(), () => this.pictures.overlay.on);
    button.classList.add("map");
    return button;
  }

  // Every picture has a scale of its own, so colours of two pictures say nothing about each other.
  mapLegend() {
    const legend = element("span", "legend");
    legend.append("weakest", element("span", "ramp"), "strongest, in each picture by itself");
    return legend;
  }

  opacityTool() {
    const slider = element("input", "opacity");
    Object.assign(slider, { type: "range", min: 0.1, max: 1, step: 0.1, value: this.pictures.overlay.opacity });
    slider.setAttribute("aria-label", "Opacity of the map");
    slider.oninput = () => this.pictures.setOpacity(Number(slider.value));
    return slider;
  }

  edited() {
    this.saver.changed(this.form.answers);
    if (this.statusNode.classList.contains("failed") && !this.pictures.nFailed) this.say("Changed since the last attempt: press Save.");
  }

  async save() {
    if (this.isSaving || !this.mayAnswer()) return;
    if (this.pictures.nFailed) return this.sayPicturesFailed();
    const missing = this.form.firstMissing();
    if (missing) {
      this.form.point(missing);
      return this.say(`Please answer: ${missing.text}`, "wanted");
    }
    this.saver.ask(this.data.task_id, this.form.collected());
    return this.deliver();
  }

  async deliver() {
    const { turn } = this;
    this.lock();
    const saved = await this.saver.deliver(() => this.deliverAgain(turn));
    if (this.turn !== turn || this.isClosed) return;
    if (!saved) this.unlock();
    else if (this.data.item) this.emit("revised", Date.now());
    else {
      this.say(`Saved ${clockTime(saved.saved_at)}`, "saved");
      await this.show(saved.turn);
    }
  }

  deliverAgain(turn) {
    if (this.turn === turn && !this.isSaving) this.deliver();
  }

  // Between Save and its answer nothing can be typed that would be lost.
  lock() {
    this.isSaving = true;
    this.focused = this.root.getRootNode().activeElement;
    this.saveButton.disabled = true;
    this.questionsNode.inert = true;
    this.say("Saving …");
  }

  unlock() {
    this.isSaving = false;
    this.saveButton.disabled = false;
    this.questionsNode.inert = false;
    if (this.focused?.isConnected) this.focused.focus();
    this.focused = null;
  }

  // Not before the pictures were there for a moment.
  mayAnswer() {
    if (!this.shownAt) this.say("Wait for the pictures …");
    return Date.now() - (this.shownAt ?? Infinity) >= SHORTEST_LOOK_MS;
  }

  async sayPicturesFailed() {
    const { turn, pictures } = this;
    const n = pictures.nFailed;
    const text = `${n === 1 ? "1 picture" : `${n} pictures`} did not load; what is not seen cannot be judged.`;
    const show = (reason) => {
      this.say(`${text} ${reason}`, "failed");
      this.statusNode.append(this.tool("Load again", "", () => this.load(this.place())));
    };
    show("");
    const reason = await refusalOf(pictures.failed[0].picture);
    if (reason && this.turn === turn && pictures.nFailed) show(`The server says: ${reason}. `);
  }

  place() {
    const { item_id: item, stage_id: stage, revision } = this.turn;
    return revision > 1 ? { item, stage } : {};
  }

  async previous() {
    const { previous } = this.turn;
    if (!previous) return this.say("There is no earlier item.");
    return (await this.saver.flush()) ? this.load(previous) : undefined;
  }

  toggleHelp() {
    this.helpNode.hidden = !this.helpNode.hidden;
  }

  say(text, kind = "") {
    this.statusNode.className = `status ${kind}`;
    this.statusNode.replaceChildren(text);
  }

  report(text, kind, error, isTriedAgain = isPassing(error)) {
    if (!error) {
      if (!this.isSaving && !this.pictures.nFailed) this.say(text, kind); // the way to load them again stays
      return;
    }
    if (!(error instanceof ServerError)) throw error;
    const next = isTriedAgain ? " Keep this page open; trying again …" : "";
    this.say(`${text}${error.message}${next}`, kind);
    if (error.status === 401) {
      this.say("You were signed out. Your answers are kept in this tab; sign in again to go on.", kind);
      this.statusNode.append(this.tool("Sign in", "", () => window.location.reload()));
    }
    if (error.status === 409) this.statusNode.append(this.tool("Show the current item", "", () => this.load({})));
  }

  escape(isText) {
    if (this.pictures.viewer.isOpen) this.pictures.viewer.close();
    else if (!this.helpNode.hidden) this.helpNode.hidden = true;
    else if (isText) this.root.getRootNode().activeElement?.blur();
    return true;
  }

  arrow(key) {
    const { columns } = this.pictures;
    const step = { arrowleft: -1, arrowright: 1, arrowup: -columns, arrowdown: columns }[key];
    if (this.pictures.viewer.isOpen) this.pictures.viewer.move(Math.sign(step));
    else this.pictures.move(step);
    return true;
  }

  answer(key) {
    return !this.isSaving && this.form.press(key, () => this.mayAnswer());
  }

  command(key) {
    const actions = {
      z: () => this.pictures.lens.toggle(),
      m: () => this.pictures.toggleOverlay(),
      p: () => this.previous(),
      "?": () => this.toggleHelp(),
    };
    if (!(key in actions)) return false;
    actions[key]();
    this.drawTools();
    return true;
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.loadTimer);
    this.saver.close();
    this.keys.close();
    document.removeEventListener("visibilitychange", this.onHide);
    window.removeEventListener("pagehide", this.onHide);
    this.pictures.close();
    this.root.remove();
  }
}

const desks = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const name = JSON.stringify(data);
  const open = desks.get(parentElement);
  if (open?.name !== name) {
    open?.desk.close();
    const desk = new Desk(parentElement, data, setTriggerValue);
    desks.set(parentElement, { name, desk });
    desk.load(data.item ?? {});
  }
  return () => {
    desks.get(parentElement)?.desk.close();
    desks.delete(parentElement);
  };
}
