// A rater's own answers, newest first, each with a few of its pictures so that it is recognised.

function card(entry, revise) {
  const node = element("li");
  const pictures = element("div", "pictures");
  for (const path of entry.pictures) {
    const image = new Image();
    Object.assign(image, { src: path, alt: "", loading: "lazy" });
    pictures.append(image);
  }
  const text = element("div", "text");
  text.append(element("strong", "", entry.title), element("span", "answer", entry.summary));
  // Swedish dates are ISO dates: 2026-11-23 18:32:18, the same for every reader.
  text.append(element("span", "when", `saved ${new Date(entry.saved_at).toLocaleString("sv-SE")}${entry.note}`));
  node.append(pictures, text);
  if (entry.can_revise) {
    const button = element("button", "", "Revise");
    button.onclick = () => revise(entry.reference);
    node.append(button);
  } else node.append(element("span", "when", "final"));
  return node;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const list = element("ol");
  list.append(...data.entries.map((entry) => card(entry, (reference) => setTriggerValue("revise", reference))));
  parentElement.querySelector("ol")?.remove();
  parentElement.append(list);
}
