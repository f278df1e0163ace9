// The questions of one stage, drawn from the protocol. Questions that are not asked yet keep their place.

class Form {
  constructor(root, onChange) {
    this.root = root;
    this.onChange = onChange;
    this.answers = {};
    this.fields = new Map();
  }

  show(turn) {
    this.questions = turn.questions;
    this.answers = { ...turn.answers };
    this.fields.clear();
    const nodes = this.questions.map((question) => this.field(question));
    this.root.replaceChildren(...(turn.direction ? [this.reveal(turn)] : []), ...nodes);
    this.refresh();
  }

  reveal(turn) {
    const note = element("p", "reveal", "The detector answers more often in ");
    note.append(element("strong", "", turn.direction));
    return note;
  }

  field(question) {
    const field = element("fieldset", `question ${question.kind}`);
    const legend = element("legend", "", question.text);
    if (!question.required) legend.append(element("span", "optional", "optional"));
    if (question.key) legend.append(element("kbd", "", question.key.toUpperCase()));
    field.append(legend);
    field.append(question.kind === "text" ? this.textField(question) : this.optionButtons(question));
    this.fields.set(question.question_id, field);
    return field;
  }

  textField(question) {
    const area = element("textarea");
    area.rows = question.required ? 2 : 1;
    area.maxLength = question.max_length;
    area.placeholder = question.hint;
    area.value = this.answers[question.question_id] ?? "";
    area.setAttribute("aria-label", question.text);
    area.oninput = () => this.set(question, area.value);
    return area;
  }

  optionButtons(question) {
    const row = element("div", "options");
    if (question.kind === "choice") row.style.setProperty("--across", question.options.length === 3 ? 3 : 2);
    for (const option of question.options) {
      const button = element("button", "", option.label);
      button.type = "button";
      button.dataset.value = option.value;
      if (option.key) button.append(element("kbd", "", option.key.toUpperCase()));
      button.onclick = () => this.choose(question, option.value);
      row.append(button);
    }
    return row;
  }

  choose(question, value) {
    if (question.kind !== "several") return this.set(question, value);
    const chosen = new Set(this.answers[question.question_id] ?? []);
    if (!chosen.delete(value)) chosen.add(value);
    return this.set(question, [...chosen]);
  }

  set(question, value) {
    this.answers[question.question_id] = value;
    this.refresh();
    this.onChange();
  }

  isAsked(question) {
    return Object.entries(question.only_if).every(([name, values]) => {
      const asked = this.questions.find((other) => other.question_id === name);
      return this.isAsked(asked) && values.includes(this.answers[name]);
    });
  }

  refresh() {
    for (const question of this.questions) {
      const field = this.fields.get(question.question_id);
      field.inert = !this.isAsked(question);
      field.classList.remove("wanted");
      const chosen = [this.answers[question.question_id] ?? []].flat();
      for (const button of field.querySelectorAll("button")) {
        button.setAttribute("aria-pressed", String(chosen.includes(button.dataset.value)));
      }
    }
  }

  // Only what is asked now: an answer to a question that was taken back is kept in the draft, not sent.
  collected() {
    const asked = this.questions.filter((question) => this.isAsked(question));
    return Object.fromEntries(
      asked.map(({ question_id: name }) => [name, this.answers[name]]).filter(([, value]) => value?.length),
    );
  }

  firstMissing() {
    const answers = this.collected();
    return this.questions.find((one) => one.required && this.isAsked(one) && !String(answers[one.question_id] ?? "").trim());
  }

  point(question) {
    const field = this.fields.get(question.question_id);
    field.classList.add("wanted");
    field.scrollIntoView({ block: "nearest" });
    field.querySelector("textarea, button").focus();
  }

  // True when the key belongs to a question that is asked now; it acts only when `mayAnswer()` says so.
  press(key, mayAnswer) {
    for (const question of this.questions.filter((one) => this.isAsked(one))) {
      const option = question.options.find((one) => one.key === key);
      if (!option && question.key !== key) continue;
      if (!mayAnswer()) return true;
      if (option) this.choose(question, option.value);
      else this.fields.get(question.question_id).querySelector("textarea, .options button").focus();
      return true;
    }
    return false;
  }
}
