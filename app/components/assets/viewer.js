// Two ways to look closer: one picture over the whole screen, and a lens that follows the pointer.

class Viewer {
  constructor(root, overlay) {
    this.overlay = overlay;
    this.node = element("div", "viewer");
    this.node.hidden = true;
    this.node.setAttribute("role", "dialog");
    this.node.setAttribute("aria-label", "Enlarged picture");
    this.node.onclick = () => this.close();
    root.getRootNode().querySelector(".desk").append(this.node);
  }

  get isOpen() {
    return !this.node.hidden;
  }

  open(frames, index) {
    this.frames = frames;
    this.index = index;
    this.node.hidden = false;
    this.redraw();
  }

  move(step) {
    let next = this.index;
    do next += step;
    while (this.frames[next] && !this.frames[next].image);
    if (this.frames[next]) this.index = next;
    this.redraw();
  }

  redraw() {
    if (!this.isOpen) return;
    const frame = this.frames[this.index];
    const sheet = element("div", "sheet");
    const image = new Image();
    image.src = frame.picture;
    image.alt = "";
    sheet.append(image);
    const overlay = this.overlay();
    if (overlay.on && frame.map) sheet.append(heat(frame.map, overlay.opacity));
    const hint = element("p", "", `${this.index + 1} of ${this.frames.length} · ← → next · Esc back`);
    this.node.replaceChildren(sheet, hint);
  }

  close() {
    if (!this.isOpen) return;
    this.node.hidden = true;
    this.frames?.[this.index]?.node.focus();
  }
}

class Lens {
  constructor(root) {
    this.root = root;
    this.magnification = 3;
    this.on = false;
    this.node = element("div", "lens");
    this.node.hidden = true;
    root.addEventListener("pointermove", (event) => this.follow(event));
    root.addEventListener("pointerleave", () => (this.node.hidden = true));
  }

  toggle() {
    this.on = !this.on;
    this.root.classList.toggle("magnify", this.on);
    this.node.hidden = true;
  }

  follow(event) {
    const frame = event.target.closest?.(".frame:not(.missing)");
    this.node.hidden = !(this.on && frame);
    if (this.node.hidden) return;
    const image = frame.querySelector("img");
    const box = image.getBoundingClientRect();
    const home = this.root.getBoundingClientRect();
    const radius = this.node.offsetWidth / 2;
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    this.node.style.left = `${event.clientX - home.left + this.root.scrollLeft - radius}px`;
    this.node.style.top = `${event.clientY - home.top + this.root.scrollTop - radius}px`;
    this.node.style.backgroundImage = `url("${image.src}")`;
    this.node.style.backgroundSize = `${box.width * this.magnification}px ${box.height * this.magnification}px`;
    const shift = (value) => radius - value * this.magnification;
    this.node.style.backgroundPosition = `${shift(x)}px ${shift(y)}px`;
  }
}
