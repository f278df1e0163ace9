// Drafts and judgements of one presentation on their way to the database.
// One draft travels at a time, numbered, so an older one never overwrites a newer one. What the server has not
// acknowledged yet also lies in this tab's storage, so a reload while the server is away loses nothing.

const DRAFT_DELAY_MS = 400;
const RETRY_MS = 2000;

class Saver {
  constructor(report) {
    this.report = report; // (text, kind, error) => shows it
  }

  // Start with a new presentation; gives back answers that this tab could not hand over before, if there are any.
  begin(turn) {
    clearTimeout(this.timer);
    this.turn = turn;
    this.sequence = 0;
    this.isDirty = false;
    this.overlayUsed = false;
    this.place = `cytosae ${turn.rater} ${turn.item_id} ${turn.stage_id} ${turn.revision}`;
    const left = sessionStorage.getItem(this.place);
    return left && JSON.parse(left);
  }

  changed(answers) {
    clearTimeout(this.timer); // also ends the retry of a save: its answers are no longer what the rater means
    this.answers = answers;
    this.isDirty = true;
    sessionStorage.setItem(this.place, JSON.stringify(answers));
    this.timer = setTimeout(() => this.flush(), DRAFT_DELAY_MS);
  }

  // Send what changed; true when everything is kept.
  async flush() {
    clearTimeout(this.timer);
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
        this.report(`Draft kept ${clockTime(kept.saved_at)}`, "");
      } catch (error) {
        if (this.turn !== turn) return true;
        this.isDirty = true;
        if (isPassing(error)) this.timer = setTimeout(() => this.flush(), RETRY_MS);
        this.report("Draft not kept: ", "failed", error);
        return false;
      }
    }
    return true;
  }

  draft() {
    this.sequence += 1;
    const { nonce } = this.turn;
    return { nonce, sequence: this.sequence, answers: this.answers ?? {}, overlay_used: this.overlayUsed };
  }

  useOverlay(answers) {
    if (this.overlayUsed) return;
    this.overlayUsed = true;
    this.changed(answers);
  }

  // Save; gives the server's answer, or null when it failed. A failure that may pass is tried again by `again`.
  async save(task, answers, again) {
    clearTimeout(this.timer);
    const { study_id: study, nonce } = this.turn;
    const place = this.place;
    try {
      const saved = await call("api/judgement", { study, task, nonce, answers, overlay_used: this.overlayUsed });
      this.isDirty = false;
      sessionStorage.removeItem(place);
      return saved;
    } catch (error) {
      // The same nonce again: a judgement that did arrive is not stored twice.
      if (isPassing(error)) this.timer = setTimeout(again, RETRY_MS);
      this.report("Not saved: ", "failed", error);
      return null;
    }
  }

  close() {
    this.flushNow();
    clearTimeout(this.timer);
    this.turn = null;
  }
}

// No server, or a database that is held: worth trying again without the rater.
function isPassing(error) {
  return error instanceof ServerError && (error.status === 0 || error.status === 503);
}
