// The keyboard. Letters mean answers and tools, unless somebody types; nothing acts behind a sheet that is open.

const ALLOWED_BEHIND_SHEET = ["m", "z", "?"];

class Keys {
  constructor(desk) {
    this.desk = desk;
    this.listen = (event) => this.onKey(event);
    document.addEventListener("keydown", this.listen, true);
  }

  close() {
    document.removeEventListener("keydown", this.listen, true);
  }

  onKey(event) {
    const { desk } = this;
    const path = event.composedPath();
    const isText = path[0].matches?.("textarea, input:not([type=range]), [contenteditable=true]");
    if (event.isComposing || !desk.isJudging || (isText && !path.includes(desk.root))) return;
    if (this.isHandled(event, isText, path[0])) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (!isText && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.stopImmediatePropagation(); // Streamlit has single-letter keys of its own
    }
  }

  isHandled(event, isText, target) {
    const key = nameOf(event);
    const hasControl = event.ctrlKey || event.metaKey;
    if (hasControl && (key === "s" || key === "enter")) {
      if (!event.repeat && !this.desk.hasSheet) this.desk.save();
      return true;
    }
    if (hasControl || event.altKey) return false;
    if (key === "escape") return this.desk.escape(isText);
    if (isText) return false;
    if (event.repeat && key.length === 1) return true;
    if (key.startsWith("arrow")) return target.matches?.("input[type=range]") ? false : this.desk.arrow(key);
    if (this.desk.hasSheet) return ALLOWED_BEHIND_SHEET.includes(key) ? this.desk.command(key) : key !== "tab";
    return this.desk.answer(key) || this.desk.command(key);
  }
}

// The letter of a key whatever Shift, Caps Lock or a non-Latin layout make of it.
function nameOf(event) {
  const key = event.key.toLowerCase();
  const isForeign = key.length === 1 && key > "\u007f";
  return isForeign && event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : key;
}
