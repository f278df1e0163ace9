// Drafts and judgements of one presentation on their way to the database.
// One draft travels at a time, numbered, so an older one never overwrites a newer one. What the server has not
// acknowledged yet also lies in this tab's storage, so a reload while the server is away loses nothing: neither
// answers, nor that the rater has asked to save them.

const DRAFT_DELAY_MS = 400;
const RETRY_MS = 2000;

class Saver {
  constructor(report) {
    this.report = report; // (text, kind, error) => shows it
  }

  // Start with a new presentation; gives back answers that this tab could not hand over before, if there are any.
  // `asked` then tells whether the rater has asked to save them.
  begin(turn) {
    this.stopTimers();
    this.turn = turn;
    this.sequence = 0;
    this.isDirty = false;
    this.overlayUsed = false;
    this.place = `cytosae ${turn.rater} ${turn.study_id} ${turn.item_id} ${turn.stage_id} ${turn.revision}`;
    this.outbox = new Outbox(turn.rater);
    this.asked = this.outbox.get(this.place);
    this.deliverOthers();
    return JSON.parse(sessionStorage.getItem(this.place)) ?? this.asked?.answers;
  }

  // A timer each: a draft that is tried again must not end the retry of a save.
  stopTimers() {
    clearTimeout(this.draftTimer);
    clearTimeout(this.saveTimer);
  }

  changed(answers) {
    clearTimeout(this.saveTimer);
    this.forgetSave(); // its answers are no longer what the rater means
    this.keep(answers);
  }

  keep(answers) {
    clearTimeout(this.draftTimer);
    this.answers = answers;
    this.isDirty = true;
    sessionStorage.setItem(this.place, JSON.stringify(answers));
    this.draftTimer = setTimeout(() => this.flush(), DRAFT_DELAY_MS);
  }

  // Send what changed; true when everything is kept.
  async flush() {
    clearTimeout(this.draftTimer);
    this.sending ??= this.sendDrafts(this.turn).finally(() => (this.sending = null));
    const isKept = await this.sending;
    return isKept && this.isDirty ? this.flush() : isKept;
  }

  // The page goes away: do not wait for a draft that is on its way.
  flushNow() {
    if (this.isDirty && this.turn) call("api/draft", this.draft()).catch(() => null); // the tab's storage has it
  }

  async sendDrafts(turn) {
    while (this.isDirty && this.turn === turn) {
      this.isDirty = false;
      const draft = this.draft();
      try {
        const kept = await call("api/draft", draft);
        if (this.turn !== turn) return true;
        if (!this.isDirty) sessionStorage.removeItem(this.place);
        if (!this.asked) this.report(`Draft kept ${clockTime(kept.saved_at)}`, "");
      } catch (error) {
        if (this.turn !== turn) return true;
        this.isDirty = true;
        if (!this.asked) this.draftFailed(error); // the save carries the same answers
        return false;
      }
    }
    return true;
  }

  draftFailed(error) {
    if (isPassing(error)) this.draftTimer = setTimeout(() => this.flush(), RETRY_MS);
    this.report("Draft not kept: ", "failed", error);
  }

  draft() {
    this.sequence += 1;
    const { nonce } = this.turn;
    return { nonce, sequence: this.sequence, answers: this.answers ?? {}, overlay_used: this.overlayUsed };
  }

  useOverlay(answers) {
    if (this.overlayUsed) return;
    this.overlayUsed = true;
    this.keep(answers);
  }

  // The rater wants these answers saved: from here on, every desk of this tab tries until the server has answered.
  ask(task, answers) {
    const { study_id: study, nonce } = this.turn;
    this.asked = { study, task, nonce, answers, overlay_used: this.overlayUsed };
    this.outbox.put(this.place, this.asked);
  }

  forgetSave() {
    this.asked = null;
    this.outbox.drop(this.place);
  }

  // Send what was asked for; gives the server's answer, or null when it failed. A failure that may pass is tried again
  // by `again`.
  async deliver(again) {
    this.stopTimers();
    const { turn, place, outbox, asked } = this;
    try {
      const saved = await call("api/judgement", { ...asked, overlay_used: asked.overlay_used || this.overlayUsed });
      outbox.drop(place);
      sessionStorage.removeItem(place);
      if (this.turn === turn) this.isDirty = false;
      return saved;
    } catch (error) {
      if (this.turn === turn) this.deliveryFailed(error, again);
      return null;
    }
  }

  deliveryFailed(error, again) {
    if (isPassing(error)) this.saveTimer = setTimeout(again, RETRY_MS);
    else if (!isSignedOut(error)) this.forgetSave(); // a refusal is for the rater to look at, not to repeat
    this.report("Not saved: ", "failed", error);
  }

  // What was asked for at other items than the one on the screen, such as a revision that the server's end cut off.
  async deliverOthers() {
    const { turn, place: own, outbox } = this;
    for (const place of outbox.places().filter((one) => one !== own)) {
      const save = outbox.get(place);
      if (!save) continue; // delivered meanwhile
      try {
        await call("api/judgement", save);
        sessionStorage.removeItem(place);
      } catch (error) {
        if (isPassing(error)) setTimeout(() => this.turn === turn && this.deliverOthers(), RETRY_MS);
        if (isPassing(error) || isSignedOut(error)) return;
        if (this.turn === turn) this.report("An earlier answer was not saved: ", "failed", error);
      }
      outbox.drop(place);
    }
  }

  close() {
    this.flushNow();
    this.stopTimers();
    this.turn = null;
  }
}

// No server (or, behind a proxy, none that answers), or a database that is held: worth trying again without the rater.
function isPassing(error) {
  return error instanceof ServerError && [0, 502, 503, 504].includes(error.status);
}

function isSignedOut(error) {
  return error instanceof ServerError && error.status === 401;
}
