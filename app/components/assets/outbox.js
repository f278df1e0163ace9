// Saves that the rater asked for and the server has not acknowledged, in this tab's storage.
// A desk that was reloaded, or mounted anew after the server came back, sends them again under the nonce of the first
// time, so a judgement that did arrive is not stored twice. They are the rater's own: nobody else's desk sends them.

class Outbox {
  constructor(rater) {
    this.prefix = `cytosae asked ${rater} `;
  }

  put(place, save) {
    sessionStorage.setItem(this.prefix + place, JSON.stringify(save));
  }

  get(place) {
    return JSON.parse(sessionStorage.getItem(this.prefix + place));
  }

  drop(place) {
    sessionStorage.removeItem(this.prefix + place);
  }

  places() {
    const names = Object.keys(sessionStorage).filter((name) => name.startsWith(this.prefix));
    return names.map((name) => name.slice(this.prefix.length));
  }
}
