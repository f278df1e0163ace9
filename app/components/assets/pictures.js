// The pictures of one item: frames grouped by data set, as large as the space allows.

const GAP = 8;
const TITLE_HEIGHT = 36;
const SMALLEST_FRAME = 150;

class Pictures {
  constructor(root, onOverlay) {
    this.root = root;
    this.onOverlay = onOverlay;
    this.overlay = { on: false, opacity: 0.5 };
    this.viewer = new Viewer(root, () => this.overlay);
    this.lens = new Lens(root);
    this.resizing = new ResizeObserver(() => this.arrange());
    this.resizing.observe(root);
  }

  show(turn) {
    this.frames = [];
    this.groups = turn.groups;
    this.hasMaps = turn.groups.some((group) => group.frames.some((frame) => frame.map));
    this.viewer.close();
    const sections = turn.groups.map((group) => this.section(turn, group));
    this.root.replaceChildren(...sections, this.lens.node);
    this.arrange();
    this.drawOverlays();
    if (this.overlay.on && this.hasMaps) this.onOverlay();
    return Promise.all(this.frames.map((frame) => frame.ready));
  }

  get failed() {
    return (this.frames ?? []).filter((frame) => frame.hasFailed);
  }

  get nFailed() {
    return this.failed.length;
  }

  // Said where a scroll bar could leave pictures unseen.
  summary() {
    const isCut = this.root.scrollHeight > this.root.offsetHeight + 1;
    return isCut ? `${this.frames.length} pictures: scroll` : "";
  }

  section(turn, group) {
    const section = element("section", "group");
    const title = element("h3", "", group.title);
    const bar = element("span", "scale");
    title.append(bar);
    const grid = element("div", "grid");
    for (const frame of group.frames) grid.append(this.frame(turn, group, frame));
    section.append(title, grid);
    return section;
  }

  frame(turn, group, frame) {
    const number = this.frames.length;
    const picture = frame.picture && `cells/${turn.study_id}/${frame.picture}`;
    const node = element(picture ? "button" : "div", picture ? "frame" : "frame missing");
    const entry = { node, picture, map: frame.map, group, ready: Promise.resolve() };
    this.frames.push(entry);
    if (!picture) {
      node.append(element("span", "", "picture not available"));
      return node;
    }
    const image = new Image();
    image.src = picture;
    image.alt = `cell ${number + 1}`;
    image.draggable = false;
    entry.image = image;
    entry.ready = image.decode().catch(() => this.fail(entry));
    node.append(image);
    node.type = "button";
    node.setAttribute("aria-label", `enlarge cell ${number + 1}`);
    node.onclick = () => this.viewer.open(this.frames, number);
    return node;
  }

  fail(entry) {
    entry.hasFailed = true;
    entry.node.classList.add("missing");
    entry.node.replaceChildren(element("span", "", "picture did not load"));
  }

  // The largest square frames with which everything fits; a scroll bar only below SMALLEST_FRAME.
  arrange() {
    if (!this.groups) return;
    const width = this.root.offsetWidth - 4;
    const height = this.root.offsetHeight - 4 - this.groups.length * TITLE_HEIGHT;
    let best = { size: 0, columns: 1 };
    for (let columns = 1; columns <= 12; columns++) {
      const size = Math.floor(Math.min(width / columns, height / this.countRows(columns))) - GAP;
      if (size > best.size) best = { size, columns };
    }
    if (best.size < SMALLEST_FRAME) best = this.scrolling(width);
    this.columns = best.columns;
    this.root.style.setProperty("--frame", `${best.size}px`);
    this.root.style.setProperty("--columns", best.columns);
    this.drawScaleBars(best.size);
  }

  countRows(columns) {
    return this.groups.reduce((sum, group) => sum + Math.ceil(group.frames.length / columns), 0);
  }

  scrolling(width) {
    const scrollBar = 16;
    let columns = Math.max(1, Math.floor((width - scrollBar) / (SMALLEST_FRAME + GAP)));
    while (columns > 1 && this.countRows(columns - 1) === this.countRows(columns)) columns -= 1; // as many rows, but larger pictures
    return { columns, size: Math.floor((width - scrollBar) / columns) - GAP };
  }

  drawScaleBars(size) {
    const bars = this.root.querySelectorAll(".scale");
    this.groups.forEach((group, index) => {
      if (!group.um_per_px || !bars[index]) return;
      const micrometres = 5;
      bars[index].textContent = `${micrometres} µm`;
      const image = this.frames.find((frame) => frame.group === group && frame.image)?.image;
      const shown = () => {
        const pixels = (micrometres / group.um_per_px) * (size / Math.max(image.naturalWidth, image.naturalHeight));
        bars[index].style.setProperty("--bar", `${pixels}px`);
      };
      if (image?.complete) shown();
      else image?.addEventListener("load", shown, { once: true });
    });
  }

  toggleOverlay() {
    if (!this.hasMaps) return;
    this.overlay.on = !this.overlay.on;
    if (this.overlay.on) this.onOverlay();
    this.drawOverlays();
  }

  setOpacity(opacity) {
    this.overlay.opacity = opacity;
    this.drawOverlays();
  }

  drawOverlays() {
    for (const frame of this.frames ?? []) {
      frame.canvas?.remove();
      frame.canvas = this.overlay.on && frame.map && frame.image ? heat(frame.map, this.overlay.opacity) : null;
      if (frame.canvas) frame.node.append(frame.canvas);
    }
    this.viewer.redraw();
  }

  move(step) {
    const shown = this.frames.filter((frame) => frame.image);
    const index = shown.findIndex((frame) => frame.node === this.root.getRootNode().activeElement);
    const next = shown[Math.min(Math.max(index + step, 0), shown.length - 1)];
    next?.node.focus();
  }

  close() {
    this.resizing.disconnect();
    this.viewer.close();
  }
}

// A 16 x 16 map as a canvas; 255 is the highest activation in this picture, so colours compare within it only.
function heat(map, opacity) {
  const values = Uint8Array.from(atob(map), (letter) => letter.charCodeAt(0));
  const side = Math.sqrt(values.length);
  const canvas = element("canvas", "heat");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(side, side);
  values.forEach((value, index) => {
    pixels.data.set([255, 225 - Math.round(0.75 * value), 0, Math.round(value * opacity)], 4 * index);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}
