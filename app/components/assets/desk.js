// The judging desk: one item on the screen, its form, and the saving of both.
// Pictures and questions come and go together, so the screen and the record cannot disagree.

const DRAFT_DELAY_MS = 400;
const SHORTEST_LOOK_MS = 400; // a second click that meant the item before is not an answer to this one
const RETRY_MS = 2000;

const HELP = [
  ["letters and digits", "choose the answer that carries the key"],
  ["Ctrl S", "save and go on"],
  ["T · K", "go to the name · comment field"],
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
    this.form = new Form(this.questionsNode, () => this.edited());
    this.pictures = new Pictures(this.picturesNode, () => (this.overlayUsed = true));
    this.onKey = (event) => this.key(event);
    this.onHide = () => this.saveDraft();
    document.addEventListener("keydown", this.onKey, true);
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
    const foot = element("footer");
    const buttons = element("div", "buttons");
    buttons.append(this.saveButton, this.tool("Previous", "P", () => this.previous()));
    buttons.append(this.tool("Keys", "?", () => this.toggleHelp()));
    foot.append(buttons, this.statusNode, element("p", "notice", this.data.notice));
    const panel = element("aside");
    panel.append(this.headNode, this.questionsNode, foot);
    const left = element("div", "left");
    left.append(this.toolsNode, this.picturesNode);
    this.root.append(left, panel, this.helpNode);
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

  async load(item) {
    const query = new URLSearchParams({ study: this.data.study_id, task: this.data.task_id, ...item });
    try {
      await this.show(await call(`api/turn?${query}`));
    } catch (error) {
      this.fail(error, () => this.load(item));
    }
  }

  async show(turn) {
    this.turn = turn;
    this.overlayUsed = false;
    if (turn.state === "finished") return this.emit("finished", Date.now());
    this.root.dataset.item = turn.item_id;
    this.busy = false;
    this.saveButton.disabled = false;
    this.drawHead();
    this.form.show(turn);
    const ready = this.pictures.show(turn);
    this.drawTools();
    await ready;
    requestAnimationFrame(() => requestAnimationFrame(() => this.painted(turn)));
    return undefined;
  }

  painted(turn) {
    if (this.turn !== turn) return;
    this.shownAt = Date.now();
    this.root.dataset.painted = turn.nonce;
    performance.mark("cytosae-painted"); // what scripts/bench_app.py measures
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
    if (revision > 1) this.headNode.append(element("span", "badge", `revision ${revision - 1}`));
  }

  drawTools() {
    this.toolsNode.replaceChildren(
      this.tool("Magnifier", "Z", () => this.pictures.lens.toggle(), () => this.pictures.lens.on),
      ...(this.pictures.hasMaps ? [this.mapTool(), this.opacityTool()] : []),
    );
  }

  tool(label, key, action, isOn) {
    const button = element("button", "", label);
    button.type = "button";
    button.append(element("kbd", "", key));
    if (isOn) button.setAttribute("aria-pressed", String(isOn()));
    button.onclick = () => {
      action();
      if (isOn) button.setAttribute("aria-pressed", String(isOn()));
    };
    return button;
  }

  mapTool() {
    return this.tool("Map", "M", () => this.pictures.toggleOverlay(), () => this.pictures.overlay.on);
  }

  opacityTool() {
    const slider = element("input", "opacity");
    Object.assign(slider, { type: "range", min: 0.1, max: 1, step: 0.1, value: this.pictures.overlay.opacity });
    slider.setAttribute("aria-label", "Opacity of the map");
    slider.oninput = () => this.pictures.setOpacity(Number(slider.value));
    return slider;
  }

  edited() {
    clearTimeout(this.draftTimer);
    this.hasDraft = true;
    this.draftTimer = setTimeout(() => this.saveDraft(), DRAFT_DELAY_MS);
  }

  async saveDraft() {
    if (!this.hasDraft || this.busy) return;
    clearTimeout(this.draftTimer);
    this.hasDraft = false;
    const { item_id: item, stage_id: stage, nonce } = this.turn;
    try {
      const { saved_at: savedAt } = await call("api/draft", { item, stage, answers: this.form.answers });
      if (this.turn.nonce === nonce) this.say(`Draft kept ${clockTime(savedAt)}`);
    } catch (error) {
      if (this.turn.nonce !== nonce) return;
      this.hasDraft = true;
      this.fail(error, () => this.saveDraft());
    }
  }

  async save() {
    const { turn } = this;
    if (this.busy || !turn || Date.now() - (this.shownAt ?? Infinity) < SHORTEST_LOOK_MS) return;
    const missing = this.form.firstMissing();
    if (missing) {
      this.form.point(missing);
      this.say(`Please answer: ${missing.text}`, "wanted");
      return;
    }
    this.busy = true;
    this.saveButton.disabled = true;
    clearTimeout(this.draftTimer);
    const { study_id: study, nonce } = turn;
    const answers = this.form.collected();
    await this.send({ study, task: this.data.task_id, nonce, answers, overlay_used: this.overlayUsed });
  }

  async send(judgement) {
    try {
      const answer = await call("api/judgement", judgement);
      this.hasDraft = false;
      this.shownAt = undefined;
      this.say(`Saved ${clockTime(answer.saved_at)}`, "saved");
      if (this.data.item) this.emit("revised", Date.now());
      else await this.show(answer.turn);
    } catch (error) {
      this.busy = false;
      this.saveButton.disabled = false;
      this.fail(error, () => this.resend(judgement));
    }
  }

  async resend(judgement) {
    if (this.busy || this.turn.nonce !== judgement.nonce) return;
    this.busy = true;
    await this.send(judgement); // the same nonce: a judgement that did arrive is not stored twice
  }

  previous() {
    if (this.turn?.previous) {
      this.saveDraft();
      this.load(this.turn.previous);
    } else this.say("There is no earlier item.");
  }

  toggleHelp() {
    this.helpNode.hidden = !this.helpNode.hidden;
  }

  say(text, kind = "") {
    clearTimeout(this.retryTimer);
    this.statusNode.className = `status ${kind}`;
    this.statusNode.replaceChildren(text);
  }

  fail(error, again) {
    if (!(error instanceof ServerError)) throw error;
    if (error.status === 401) {
      this.say("You were signed out. Your draft is kept; sign in again to go on.", "failed");
      this.statusNode.append(this.tool("Sign in", "", () => window.location.reload()));
    } else if (error.status === 409) {
      this.say(error.message, "failed");
      this.statusNode.append(this.tool("Show the current item", "", () => this.load({})));
    } else if (error.status === 0) {
      this.say(`Not saved: ${error.message} Keep this page open; trying again …`, "failed");
      this.retryTimer = setTimeout(again, RETRY_MS);
    } else this.say(`Not saved: ${error.message}`, "failed");
  }

  key(event) {
    if (!this.root.isConnected || !this.turn || this.turn.state === "finished") return;
    const target = event.composedPath()[0];
    const typing = target.matches?.("textarea, input[type=text], input[type=password]");
    if (this.handled(event, typing)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (!typing && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.stopImmediatePropagation(); // Streamlit has single-letter keys of its own
    }
  }

  handled(event, typing) {
    const control = event.ctrlKey || event.metaKey;
    if (control && (event.key === "s" || event.key === "Enter")) {
      if (!event.repeat) this.save();
      return true;
    }
    if (control || event.altKey) return false;
    if (event.key === "Escape") return this.escape(typing);
    if (typing) return false;
    if (event.repeat && event.key.length === 1) return true;
    return this.arrow(event.key) || this.form.press(event.key.toLowerCase()) || this.command(event.key.toLowerCase());
  }

  escape(typing) {
    if (this.pictures.viewer.isOpen) this.pictures.viewer.close();
    else if (!this.helpNode.hidden) this.helpNode.hidden = true;
    else if (typing) this.root.getRootNode().activeElement.blur();
    return true;
  }

  arrow(key) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.pictures.columns, ArrowDown: this.pictures.columns };
    if (!(key in steps)) return false;
    if (this.pictures.viewer.isOpen) this.pictures.viewer.move(Math.sign(steps[key]));
    else this.pictures.move(steps[key]);
    return true;
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
    this.saveDraft();
    document.removeEventListener("keydown", this.onKey, true);
    document.removeEventListener("visibilitychange", this.onHide);
    window.removeEventListener("pagehide", this.onHide);
    clearTimeout(this.retryTimer);
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
